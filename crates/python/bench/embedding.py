"""Measures one contender of `cargo xtask bench --embedding`, in a process of its own, and prints the numbers as JSON.

What is measured: milliseconds until the first command can be sent, and then GETs and SETs per second of one thread, one
after the other, over keys that are there, with values of 16 bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Callable

KEYS = [f"key:{number:012}" for number in range(10_000)]
VALUE = "v" * 16
START_ROUNDS = 21


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def start_ms(start: Callable[[], Any], stop: Callable[[Any], None] = lambda it: None) -> float:
    """The median of how long a start takes; what is imported is imported."""
    taken = []
    for _ in range(START_ROUNDS):
        before = time.perf_counter()
        started = start()
        taken.append((time.perf_counter() - before) * 1000)
        stop(started)
    return median(taken)


def rates(get: Callable[[str], Any], put: Callable[[str, str], Any], count: int) -> dict[str, float]:
    """GETs and SETs per second."""
    for key in KEYS:
        put(key, VALUE)
    assert get(KEYS[0]) in (VALUE, VALUE.encode())
    keys = KEYS * (count // len(KEYS) + 1)
    keys = keys[:count]
    before = time.perf_counter()
    for key in keys:
        get(key)
    got = count / (time.perf_counter() - before)
    before = time.perf_counter()
    for key in keys:
        put(key, VALUE)
    return {"get": got, "set": count / (time.perf_counter() - before)}


async def async_rates(client: Any, count: int) -> dict[str, float]:
    """The same, awaited."""
    for key in KEYS:
        await client.set(key, VALUE)
    assert await client.get(KEYS[0]) in (VALUE, VALUE.encode())
    keys = KEYS * (count // len(KEYS) + 1)
    keys = keys[:count]
    before = time.perf_counter()
    for key in keys:
        await client.get(key)
    got = count / (time.perf_counter() - before)
    before = time.perf_counter()
    for key in keys:
        await client.set(key, VALUE)
    return {"get": got, "set": count / (time.perf_counter() - before)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_it_answers(port: int) -> None:
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(b"*1\r\n$4\r\nPING\r\n")
                if line.recv(7) == b"+PONG\r\n":
                    return
        except OSError:
            pass
        time.sleep(0.0005)


def oxidis_in_process(count: int) -> dict[str, float]:
    import oxidis

    client = oxidis.redis()
    return {"start_ms": start_ms(oxidis.Engine), **rates(client.get, client.set, count)}


def oxidis_over_tcp(count: int) -> dict[str, float]:
    import oxidis

    taken = start_ms(lambda: oxidis.Server().start(), lambda server: server.stop())
    with oxidis.Server() as server, server.client() as client:
        return {"start_ms": taken, **rates(client.get, client.set, count)}


def fakeredis_client(count: int) -> dict[str, float]:
    import fakeredis

    client = fakeredis.FakeRedis()
    return {"start_ms": start_ms(fakeredis.FakeRedis), **rates(client.get, client.set, count)}


def redis_server(count: int) -> dict[str, float]:
    import redis

    program = shutil.which("redis-server")
    assert program is not None
    port = free_port()

    def start() -> "subprocess.Popen[bytes]":
        options = ["--port", str(port), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        until_it_answers(port)
        return process

    def stop(process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()

    taken = start_ms(start, stop)
    process = start()
    try:
        with redis.Redis(port=port) as client:
            return {"start_ms": taken, **rates(client.get, client.set, count)}
    finally:
        stop(process)


def resp_server(count: int) -> dict[str, float]:
    import redis
    from resp_server.core.server import Server

    port = free_port()
    with contextlib.redirect_stdout(io.StringIO()):
        before = time.perf_counter()
        server = Server(port=port)
        threading.Thread(target=server.start, daemon=True).start()
        until_it_answers(port)
        taken = (time.perf_counter() - before) * 1000
        with redis.Redis(port=port, protocol=2, driver_info=None) as client:
            return {"start_ms": taken, **rates(client.get, client.set, count)}


def burner_async(count: int) -> dict[str, float]:
    from burner_redis import BurnerRedis

    return {"start_ms": start_ms(BurnerRedis), **asyncio.run(async_rates(BurnerRedis(), count))}


def native(count: int) -> dict[str, float]:
    import oxidis

    client = oxidis.Client()
    return {"start_ms": start_ms(oxidis.Client), **rates(client.get, client.set, count)}


def native_async(count: int) -> dict[str, float]:
    import oxidis

    return {
        "start_ms": start_ms(oxidis.AsyncClient),
        **asyncio.run(async_rates(oxidis.AsyncClient(), count)),
    }


CONTENDERS: dict[str, tuple[Callable[[int], dict[str, float]], int]] = {
    "oxidis-in-process": (oxidis_in_process, 40_000),
    "oxidis-over-tcp": (oxidis_over_tcp, 20_000),
    "fakeredis": (fakeredis_client, 20_000),
    "redis-server": (redis_server, 20_000),
    "resp-server": (resp_server, 10_000),
    "burner-redis": (burner_async, 400_000),
    "oxidis-client": (native, 400_000),
    "oxidis-async-client": (native_async, 400_000),
}


if __name__ == "__main__":
    measure, number = CONTENDERS[sys.argv[1]]
    measured = measure(number)
    print("\n" + json.dumps(measured), file=sys.__stdout__)
