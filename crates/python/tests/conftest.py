"""What the tests share. What they expect, they expect of redis-server too: where one is installed, it is asked the same."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import Any, Iterator

import oxidis
import pytest
import redis

pytest_plugins = ["pytester"]

REDIS_SERVER = shutil.which("redis-server")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_server_port() -> Iterator[int]:
    """The port of a redis-server."""
    assert REDIS_SERVER is not None, "it is asked only where it is installed"
    port = free_port()
    options = ["--port", str(port), "--save", "", "--appendonly", "no", "--loglevel", "warning"]
    process = subprocess.Popen([REDIS_SERVER, *options], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "redis-server does not start"
                time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


WAYS = ["in process", "over TCP"] + ["redis-server"] * (REDIS_SERVER is not None)
"""How a client gets to its server. Where the oracle is installed (CI sees to that) it is held to the same tests."""


class Place:
    """A server without data, of one of the three kinds, and clients of it."""

    def __init__(self, way: str, request: pytest.FixtureRequest) -> None:
        self.way = way
        if way == "in process":
            self.engine = oxidis.Engine()
        else:
            port = (
                request.getfixturevalue("oxidis_server").port
                if way == "over TCP"
                else request.getfixturevalue("redis_server_port")
            )
            self.port = port
            with redis.Redis(port=port) as client:
                client.flushall()
                client.script_flush()

    def redis(self, **options: Any) -> redis.Redis:
        if self.way == "in process":
            return self.engine.redis(**options)
        return redis.Redis(port=self.port, **options)

    def aredis(self, **options: Any) -> Any:
        if self.way == "in process":
            return self.engine.aredis(**options)
        return redis.asyncio.Redis(port=self.port, **options)

    def native(self, **options: Any) -> oxidis.Client:
        if self.way == "in process":
            return self.engine.client(**options)
        return oxidis.Client(f"redis://127.0.0.1:{self.port}", **options)

    def anative(self, **options: Any) -> oxidis.AsyncClient:
        if self.way == "in process":
            return self.engine.aclient(**options)
        return oxidis.AsyncClient(f"redis://127.0.0.1:{self.port}", **options)


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest) -> Place:
    """A place for each of the ways."""
    return Place(request.param, request)


def until(condition: Any) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.002)
