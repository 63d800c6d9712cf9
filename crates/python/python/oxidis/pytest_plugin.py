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


@pytest.fixture(scope="session")
def _oxidis_cleaner(oxidis_server: oxidis.Server) -> "Iterator[_Cleaner]":
    yield _Cleaner(oxidis_server)


@pytest.fixture
def redis_client(oxidis_server: oxidis.Server, _oxidis_cleaner: "_Cleaner") -> "Iterator[redis.Redis]":
    """A client of redis-py, over TCP, to a server as it was at the start, with no data; text comes as text."""
    _oxidis_cleaner.clean()
    with oxidis_server.client(decode_responses=True) as client:
        yield client
    _oxidis_cleaner.clean()


@pytest.fixture
def async_redis_client(
    oxidis_server: oxidis.Server, _oxidis_cleaner: "_Cleaner"
) -> "Iterator[redis.asyncio.Redis]":
    """The same for asyncio. It runs straight into the server's engine: so it outlives no event loop, whichever plugin
    runs the test."""
    _oxidis_cleaner.clean()
    client = oxidis_server.aredis(decode_responses=True)
    yield client
    client.connection_pool.reset()
    _oxidis_cleaner.clean()


class _Cleaner:
    """Removes what a test has left: data, scripts, functions, users, who is still connected, and directives that
    it has set. That is done before a test, which other fixtures may have come before, and behind it: the next one may
    use ``oxidis_server`` alone."""

    def __init__(self, server: oxidis.Server) -> None:
        self._server = server
        self._look()

    def _look(self) -> None:
        # One client for all tests: it goes on to be let in if one of them sets a password.
        self._client = self._server.native()
        self._directives = self._all_directives()
        self._users = self._client.execute("ACL LIST")

    def clean(self) -> None:
        try:
            if self._server.is_running:
                self._clean()
                return
        except oxidis.Error:
            # There is no user left who may do that.
            self._server.stop()
        self._server.start()
        self._look()

    def _clean(self) -> None:
        execute = self._client.execute
        execute("CLIENT KILL TYPE normal SKIPME yes")
        execute("CLIENT KILL TYPE pubsub SKIPME yes")
        execute("FLUSHALL")
        execute("SCRIPT FLUSH")
        execute("FUNCTION FLUSH")
        if execute("ACL LIST") != self._users:
            kept = [line.split()[1:] for line in self._users]
            names = {words[0] for words in kept}
            for name in execute("ACL USERS"):
                if name not in names:
                    execute("ACL", "DELUSER", name)
            for name, *rules in kept:
                execute("ACL", "SETUSER", name, "reset", *rules)
        now = self._all_directives()
        changed = [it for it in self._directives.items() if now.get(it[0]) != it[1]]
        if changed:
            execute("CONFIG", "SET", *(word for pair in changed for word in pair))

    def _all_directives(self) -> dict[bytes, bytes]:
        directives: dict[bytes, bytes] = self._client.execute("CONFIG GET *")
        return directives
