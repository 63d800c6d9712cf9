"""The clock that tests command, faults, snapshots, what clients have sent."""

from __future__ import annotations

import datetime
import threading
from typing import Callable, Union

import oxidis
import pytest
import redis
from conftest import until

Instance = Union[oxidis.Server, oxidis.Engine]


@pytest.fixture(params=["server", "engine"])
def make(request: pytest.FixtureRequest) -> Callable[..., Instance]:
    """Makes a server or an engine, which goes with the test."""

    def make(**options: object) -> Instance:
        if request.param == "engine":
            return oxidis.Engine(**options)  # type: ignore[arg-type]
        server = oxidis.Server(**options).start()  # type: ignore[arg-type]
        request.addfinalizer(server.stop)
        return server

    return make


def client_of(instance: Instance, **options: object) -> redis.Redis:
    """A client: over TCP if there is a server."""
    options.setdefault("decode_responses", True)
    return instance.client(**options) if isinstance(instance, oxidis.Server) else instance.redis(**options)


def test_time_stands_still_until_it_is_moved(make: Callable[..., Instance]) -> None:
    instance = make(clock="manual")
    with client_of(instance) as client:
        client.set("k", "v", ex=3600)
        before = client.time()
        assert client.time() == before
        instance.advance(seconds=3599)
        assert client.ttl("k") == 1
        instance.advance(milliseconds=1000)
        assert client.get("k") is None
        assert client.time()[0] == before[0] + 3600
        instance.advance(days=1, hours=1, minutes=1)
        assert client.time()[0] == before[0] + 3600 + 86400 + 3660


def test_time_is_set(make: Callable[..., Instance]) -> None:
    instance = make(clock=1_700_000_000)
    with client_of(instance) as client:
        assert client.time() == (1_700_000_000, 0)
        assert client.xadd("s", {"f": "v"}) == "1700000000000-0"
        instance.set_time(datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc))
        assert client.time()[0] == 1_893_456_000 == instance.time()
        assert client.eval("return redis.call('TIME')[1]", 0) == "1893456000"


def test_those_who_wait_give_up_in_order(make: Callable[..., Instance]) -> None:
    instance = make(clock="manual")
    order: list[str] = []

    def wait(name: str, seconds: int) -> None:
        with client_of(instance, socket_timeout=None) as client:
            assert client.blpop(f"none:{name}", timeout=seconds) is None
            order.append(name)

    threads = [threading.Thread(target=wait, args=it) for it in [("late", 20), ("soon", 10)]]
    for thread in threads:
        thread.start()
    with client_of(instance) as client:
        until(lambda: client.info("clients")["blocked_clients"] == 2)
        instance.advance(seconds=15)
        until(lambda: order == ["soon"])
        instance.advance(seconds=5)
        until(lambda: order == ["soon", "late"])
    for thread in threads:
        thread.join(20)


async def test_asyncio_gives_up_as_well() -> None:
    import asyncio

    engine = oxidis.Engine(clock="manual")
    native, client = engine.aclient(), engine.aredis()
    waiting = [asyncio.create_task(native.blpop("q", 10)), asyncio.create_task(client.blpop("q", timeout=10))]
    while b"blocked_clients:2" not in await native.execute("INFO", "clients"):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    engine.advance(seconds=9.5)
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    engine.advance(seconds=0.5)
    assert await asyncio.gather(*waiting) == [None, None]
    await client.aclose()


def test_only_a_manual_clock_is_moved(make: Callable[..., Instance]) -> None:
    with pytest.raises(oxidis.Error):
        make().advance(seconds=1)
    with pytest.raises(ValueError):
        make(clock="manual").advance(seconds=-1)
    with pytest.raises(oxidis.ArgumentError):
        make(clock="sundial")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("LOADING Redis is loading the dataset in memory", redis.exceptions.BusyLoadingError),
        ("OOM command not allowed", redis.exceptions.OutOfMemoryError),
        ("READONLY You can't write", redis.exceptions.ReadOnlyError),
        ("ERR anything at all", redis.ResponseError),
    ],
)
def test_faults_are_errors(make: Callable[..., Instance], error: str, kind: type[Exception]) -> None:
    instance = make()
    with client_of(instance, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0)) as client:
        client.set("k", "v")
        with instance.fault("GET", error=error) as fault:
            with pytest.raises(kind):
                client.get("k")
            assert client.set("k", "w")
            assert fault.met == 1
        assert client.get("k") == "w"
        assert fault.met == 1


def test_faults_are_for_keys_clients_and_counts(make: Callable[..., Instance]) -> None:
    instance = make()
    with client_of(instance, client_name="worker-1") as worker, client_of(instance) as other:
        with instance.fault("GET", error="ERR no", key="user:*", client="worker-*", skip=1, times=1) as fault:
            assert worker.get("user:1") is None
            assert worker.get("order:1") is None
            assert other.get("user:1") is None
            with pytest.raises(redis.ResponseError, match="no"):
                worker.get("user:1")
            assert worker.get("user:1") is None
            assert fault.met == 1


def test_connections_are_cut(make: Callable[..., Instance]) -> None:
    instance = make()
    never = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    with client_of(instance, retry=never) as client:
        with instance.fault("INCRBY", cut=True), pytest.raises(redis.ConnectionError):
            client.incr("n")
        assert client.get("n") is None
        for fault in [{"lose_reply": True}, {"cut": "reply"}]:
            with instance.fault("INCRBY", **fault), pytest.raises(redis.ConnectionError):  # type: ignore[arg-type]
                client.incr("n")
        assert client.get("n") == "2"


def test_a_lost_reply_is_what_makes_retries_count_twice(make: Callable[..., Instance]) -> None:
    instance = make()
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 1)
    with client_of(instance, retry=once) as client:
        with instance.fault("INCRBY", lose_reply=True, times=1):
            assert client.incr("n") == 2


def test_delays_are_on_the_clock(make: Callable[..., Instance]) -> None:
    instance = make(clock="manual")
    got: list[object] = []
    with client_of(instance, socket_timeout=None) as client, instance.fault("GET", delay=60) as fault:
        thread = threading.Thread(target=lambda: got.append(client.get("k")))
        thread.start()
        until(lambda: fault.met == 1)
        assert got == []
        instance.advance(minutes=1)
        thread.join(20)
    assert got == [None]


@pytest.mark.parametrize("options", [{}, {"error": "ERR", "delay": 1}])
def test_a_fault_is_one_thing(options: dict[str, object]) -> None:
    with pytest.raises(oxidis.ArgumentError):
        oxidis.Engine().fault("GET", **options)  # type: ignore[arg-type]


def test_snapshots(make: Callable[..., Instance]) -> None:
    instance = make()
    with client_of(instance) as client:
        client.set("kept", "as it was")
        client.set("gone", "x")
        before = instance.snapshot()
        assert len(before) == 2
        assert not instance.diff(before)
        client.set("kept", "otherwise")
        client.delete("gone")
        client.rpush("new", "x")
        diff = instance.diff(before)
        assert diff == ([b"new"], [b"gone"], [b"kept"]) and diff
        assert diff.added[0].database == 0
        instance.restore(before)
        assert client.get("kept") == "as it was" and client.dbsize() == 2


def test_a_fork_has_the_same_data_and_its_own_life(make: Callable[..., Instance]) -> None:
    instance = make(clock=1_700_000_000)
    with client_of(instance) as client:
        client.set("k", "v", ex=100)
        client.function_load("#!lua name=l\nredis.register_function('f', function() return 7 end)")
        forked = instance.fork()
        client.set("k", "w")
        with client_of(forked) as other:
            assert other.get("k") == "v" and other.fcall("f", 0) == 7
            forked.advance(seconds=100)
            assert other.get("k") is None
        assert client.get("k") == "w"
    if isinstance(forked, oxidis.Server):
        assert isinstance(instance, oxidis.Server) and forked.port != instance.port
        forked.stop()


def test_what_clients_have_sent(make: Callable[..., Instance]) -> None:
    instance = make(record_commands=True)
    with client_of(instance, client_name="me", db=2) as client:
        client.set("k", "v")
        client.get("k")
    sent = [it for it in instance.commands() if it.name in ("SET", "GET")]
    assert [it.words for it in sent] == [(b"SET", b"k", b"v"), (b"GET", b"k")]
    assert {(it.client_name, it.database) for it in sent} == {(b"me", 2)}
    instance.clear_commands()
    assert instance.commands() == []


def test_a_fault_that_nobody_could_meet_is_refused(make: Callable[..., Instance]) -> None:
    instance = make(clock="manual")
    for name in ["NOSUCH", "", "CONFIG NOSUCH", "OXIDIS"]:
        with pytest.raises(oxidis.ArgumentError, match="no command"):
            instance.fault(name, cut=True)
    with client_of(instance) as client:
        with pytest.raises(redis.ResponseError, match="no command NOSUCH"):
            client.execute_command("OXIDIS", "FAULT", "ADD", "CUT", "COMMAND", "NOSUCH")
        with instance.fault("config get", error="BUSY now"), pytest.raises(redis.ResponseError, match="now"):
            client.config_get("port")


def test_chance_comes_from_the_seed(make: Callable[..., Instance]) -> None:
    def draw(seed: int) -> list[str]:
        with client_of(make(seed=seed)) as client:
            client.sadd("s", *range(1000))
            return [client.srandmember("s") for _ in range(20)]  # type: ignore[misc]

    assert draw(1) == draw(1) != draw(2)


@pytest.mark.parametrize("is_remote", [False, True])
def test_native_clients_meet_the_same(is_remote: bool) -> None:
    with oxidis.Server(clock="manual", record_commands=True) as server:
        client = oxidis.Client(server.url) if is_remote else server.native()
        client.set("k", "v")
        assert client.get("k") == b"v"
        with server.fault("GET", error="LOADING Redis is loading", times=1) as fault:
            with pytest.raises(oxidis.CommandError, match="^LOADING"):
                client.get("k")
            assert client.get("k") == b"v" and fault.met == 1
        with server.fault("SET", key="k*", error="OOM no room"), pytest.raises(oxidis.CommandError, match="OOM"):
            client.set("k", "w")
        with server.fault(cut=True), pytest.raises(oxidis.ConnectionError):
            client.get("k")
        with server.fault("SET", lose_reply=True), pytest.raises(oxidis.ConnectionError):
            client.set("k", "lost")
        assert client.get("k") == b"lost"
        client.set("short", "v", "EX", 10)
        server.advance(seconds=10)
        assert client.get("short") is None
        names = [command.name for command in server.commands()]
        assert (names.count("GET"), names.count("SET")) == (6, 4)


async def test_asyncio_clients_meet_the_same() -> None:
    with oxidis.Server() as server:
        for client in [server.anative(), oxidis.AsyncClient(server.url)]:
            async with client:
                await client.set("k", "v")
                with server.fault("GET", error="BUSY now", times=1), pytest.raises(oxidis.CommandError, match="BUSY"):
                    await client.get("k")
                with server.fault("GET", cut=True), pytest.raises(oxidis.ConnectionError):
                    await client.get("k")
                with server.fault("GET", cut="reply"), pytest.raises(oxidis.ConnectionError):
                    await client.get("k")
                assert await client.get("k") == b"v"
