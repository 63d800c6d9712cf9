"""`oxidis.Server`."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Callable

import oxidis
import pytest
import redis
from conftest import until
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry


def test_a_server_starts_and_stops() -> None:
    server = oxidis.Server()
    assert not server.is_running
    with server:
        assert server.is_running and server.port > 0
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        with redis.Redis(port=server.port) as client:
            assert client.set("k", "v") and client.get("k") == b"v"
        port = server.port
    assert not server.is_running
    with pytest.raises(redis.ConnectionError), redis.Redis(port=port, retry=None) as client:
        client.ping()
    server.stop()
    with pytest.raises(oxidis.Error, match="does not run"):
        server.port


def test_it_can_be_started_again_with_nothing_in_it() -> None:
    server = oxidis.Server()
    for _ in range(3):
        with server, server.client() as client:
            assert client.dbsize() == 0
            client.set("k", "v")


def test_many_run_at_once() -> None:
    servers = [oxidis.Server().start() for _ in range(12)]
    assert len({server.port for server in servers}) == 12
    for number, server in enumerate(servers):
        with server.client() as client:
            client.set("number", number)
    for number, server in enumerate(servers):
        with server.client() as client:
            assert client.get("number") == str(number).encode()
        server.stop()


def test_starting_twice_is_starting_once() -> None:
    with oxidis.Server() as server:
        port = server.port
        assert server.start().port == port


def test_redis_py_in_process_learns_that_the_server_has_stopped() -> None:
    server = oxidis.Server().start()
    engine = server.engine
    once = Retry(NoBackoff(), 0)
    idle, waiting = server.redis(retry=once), server.redis(retry=once)
    idle.set("k", "v")
    listener = idle.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    while listener.get_message() is not None:
        pass
    ends: list[BaseException] = []

    def wait(action: Callable[[], object]) -> None:
        try:
            action()
        except redis.ConnectionError as error:
            ends.append(error)

    waits: list[Callable[[], object]] = [lambda: waiting.blpop("queue", 0), lambda: listener.get_message(timeout=60)]
    threads = [threading.Thread(target=wait, args=(action,)) for action in waits]
    for thread in threads:
        thread.start()
    until(lambda: idle.info("clients")["blocked_clients"] == 1)
    before = engine.snapshot()
    server.stop()
    for thread in threads:
        thread.join(60)
    assert len(ends) == 2
    for client in [idle, waiting, engine.redis(retry=once)]:
        for action in [client.ping, lambda: client.get("k"), lambda: client.pipeline().get("k").execute()]:
            with pytest.raises(redis.ConnectionError):
                action()
    # What is no command can still be asked, for a look back.
    assert not engine.diff(before)


async def test_redis_py_of_asyncio_in_process_learns_that_the_server_has_stopped() -> None:
    server = oxidis.Server().start()
    client = server.aredis(retry=AsyncRetry(NoBackoff(), 0))
    await client.set("k", "v")
    waiting = asyncio.ensure_future(client.blpop("queue", 0))
    watch = server.native()
    while b"blocked_clients:1" not in watch.info("clients"):
        await asyncio.sleep(0.002)
    await asyncio.get_running_loop().run_in_executor(None, server.stop)
    for end in [waiting, client.get("k"), client.ping()]:
        with pytest.raises(redis.ConnectionError):
            await asyncio.wait_for(end, 60)
    await client.aclose()


def test_an_engine_without_a_server_is_not_stopped_by_others() -> None:
    client = oxidis.redis()
    with oxidis.Server() as server:
        server.redis().ping()
    assert client.set("k", "v") and client.get("k") == b"v"


def test_a_client_may_shut_it_down() -> None:
    server = oxidis.Server().start()
    with server.client() as client:
        client.shutdown(nosave=True)
    until(lambda: not server.is_running)
    with server.start(), server.client() as client:
        assert client.ping()


def test_options_are_directives() -> None:
    options = {"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru", "databases": 4}
    with oxidis.Server(**options) as server, server.client(decode_responses=True) as client:
        assert client.config_get("maxmemory") == {"maxmemory": str(100 << 20)}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("databases") == {"databases": "4"}


@pytest.mark.parametrize("options", [{"no_such": 1}, {"maxmemory": "lots"}, {"path": "/nowhere/at/all.rdb"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(oxidis.Error):
        oxidis.Server(**options).start()  # type: ignore[arg-type]


@pytest.mark.parametrize("bind", ["*", "0.0.0.0", "-0.0.0.0", "127.0.0.1 -::1", "localhost"])
def test_it_is_reached_wherever_it_listens(bind: str) -> None:
    with oxidis.Server(bind=bind) as server, server.client() as client:
        assert client.ping() and client.connection_pool.connection_kwargs["host"] in ("127.0.0.1", "localhost")
        assert oxidis.Client(server.url).ping() == "PONG"
        # Which of the two localhost is belongs to the system.
        hosts = ("127.0.0.1", "[::1]") if bind == "localhost" else ("127.0.0.1",)
        assert server.url in [f"redis://{host}:{server.port}/0" for host in hosts]


def test_a_port_that_is_taken_is_refused() -> None:
    with oxidis.Server() as server, pytest.raises(oxidis.Error, match="Address already in use"):
        oxidis.Server(port=server.port).start()


def test_a_password_is_asked_for() -> None:
    with oxidis.Server(password="open: sesame/") as server:
        with server.client() as client:
            assert client.ping()
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        with server.redis() as client:
            assert client.ping()
        assert server.native().execute("PING") == "PONG"
        with redis.Redis(port=server.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        assert "sesame" not in repr(server)


def test_keys_live_as_long_as_the_default() -> None:
    with oxidis.Server(default_ttl=5) as server, server.client() as client:
        client.set("short", "v")
        client.set("long", "v", ex=100)
        assert 0 < client.ttl("short") <= 5
        assert 90 < client.ttl("long") <= 100


@pytest.mark.parametrize("name", ["data.json", "data.rdb"])
def test_data_are_kept_in_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with oxidis.Server(path=path) as server, server.client() as client:
        client.hset("user", mapping={"name": "Ada"})
    assert path.exists()
    with oxidis.Server(path=path) as server, server.client(decode_responses=True) as client:
        assert client.hgetall("user") == {"name": "Ada"}


def test_json_can_be_read(tmp_path: Path) -> None:
    with oxidis.Server(path=tmp_path / "mydb.json") as server, server.client() as client:
        client.set("greeting", "hello")
    assert "hello" in json.dumps(json.loads((tmp_path / "mydb.json").read_text()))


def test_every_change_is_logged(tmp_path: Path) -> None:
    for _ in range(2):
        with oxidis.Server(appendonly=True, dir=str(tmp_path)) as server, server.client() as client:
            client.incr("starts")
    assert (tmp_path / "appendonlydir").is_dir()
    with oxidis.Server(appendonly=True, dir=str(tmp_path)) as server, server.client() as client:
        assert client.get("starts") == b"2"


def test_a_folder_and_a_file_can_be_named(tmp_path: Path) -> None:
    with oxidis.Server(dir=str(tmp_path), dbfilename="some.rdb") as server, server.client() as client:
        client.set("k", "v")
        assert client.config_get("dbfilename") == {"dbfilename": "some.rdb"}
        client.save()
    assert (tmp_path / "some.rdb").exists()


def test_all_doors_lead_to_the_same_data() -> None:
    with oxidis.Server() as server:
        server.client().set("k", "v")
        assert server.redis().get("k") == b"v"
        assert server.native().get("k") == b"v"


def test_threads_share_a_server() -> None:
    failures: list[BaseException] = []

    def work(server: oxidis.Server, number: int) -> None:
        try:
            with server.client() as client:
                for _ in range(200):
                    client.incr("n")
                if number == 0:
                    client.lpush("n", "x")
        except redis.ResponseError as error:
            failures.append(error)

    with oxidis.Server() as server:
        threads = [threading.Thread(target=work, args=(server, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.native().get("n") == b"800"
    assert [str(failure)[:9] for failure in failures] == ["WRONGTYPE"]
