"""Fixtures for pytest, which finds them by itself.

Each process of pytest-xdist has a server of its own.
"""

# mypy: disable-error-code="no-untyped-call,no-any-return,override,assignment,misc"
# redis-py says nothing about the types of what it is made of.

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import pytest

import oxidis

if TYPE_CHECKING:
    import redis
    import redis.asyncio


@pytest.fixture(scope="session")
def oxidis_server() -> Iterator[oxidis.Server]:
    """A server for all tests of the process, on a free port."""
    with oxidis.Server() as server:
        yield server


@pytest.fixture
def redis_client(oxidis_server: oxidis.Server) -> "Iterator[redis.Redis]":
    """A client of redis-py, over TCP, to a server with no data; text comes as text."""
    with oxidis_server.client(decode_responses=True) as client:
        _clean(oxidis_server)
        yield client


@pytest.fixture
def async_redis_client(oxidis_server: oxidis.Server) -> "Iterator[redis.asyncio.Redis]":
    """The same for asyncio. It runs straight into the server's engine: so it outlives no event loop, whichever plugin
    runs the test."""
    client = oxidis_server.aredis(decode_responses=True)
    _clean(oxidis_server)
    yield client
    client.connection_pool.reset()


def _clean(server: oxidis.Server) -> None:
    """Removes what a test before has left: data, scripts, functions, and who is still connected."""
    with server.native() as client:
        client.execute("CLIENT KILL TYPE normal SKIPME yes")
        client.execute("CLIENT KILL TYPE pubsub SKIPME yes")
        client.execute("FLUSHALL")
        client.execute("SCRIPT FLUSH")
        client.execute("FUNCTION FLUSH")
