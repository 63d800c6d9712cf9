"""The native client, into an engine and to servers."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from typing import Callable

import oxidis
import pytest
import redis
import trustme
from conftest import Place, free_port, until


def test_words_and_lines(place: Place) -> None:
    client = place.native()
    assert client.execute("SET", "a", "1") == "OK"
    assert client.execute('SET greeting "hello, \\x41da"') == "OK"
    assert client.get("greeting") == b"hello, Ada"
    assert client.execute("CONFIG GET", "maxmemory-policy") == {b"maxmemory-policy": b"noeviction"}
    assert client.execute("PING") == "PONG"
    for wrong in ["", "   ", 'SET k "open']:
        with pytest.raises(oxidis.ArgumentError):
            client.execute(wrong)
    with pytest.raises(oxidis.ArgumentError):
        client.execute()


def test_values(place: Place) -> None:
    client = place.native()
    client.set("n", 41)
    assert client.incr("n") == 42
    assert client.get(b"n") == b"42"
    assert client.set("f", 1.5) == "OK" and client.get("f") == b"1.5"
    assert client.set("big", 1 << 70) and client.get("big") == str(1 << 70).encode()
    assert client.set("v", memoryview(b"view")) and client.get("v") == b"view"
    assert client.set("v", bytearray(b"array")) and client.get("v") == b"array"
    assert client.get("absent") is None
    assert client.hset("h", "a", 1, "b", 2) == 2
    assert client.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert client.sadd("s", "x", "y") == 2 and client.smembers("s") == {b"x", b"y"}
    assert client.zadd("z", 1.5, "m") == 1 and client.zscore("z", "m") == 1.5
    assert client.lrange("absent", 0, -1) == []
    assert client.delete("n", "f", "absent") == 2
    assert client.set("k", "v", "EX", 100) == "OK" and client.ttl("k") == 100
    assert client.set("k", "v", "NX") is None
    every = bytes(range(256))
    assert client.set(every, every) == "OK" and client.get(every) == every


def test_the_short_way_to_strings_knows_when_it_is_none(place: Place) -> None:
    client = place.native()
    client.set("k", "v")
    assert client.execute("MULTI") == "OK"
    assert (client.get("k"), client.set("k", "w")) == ("QUEUED", "QUEUED")
    assert client.execute("EXEC") == [b"v", "OK"]
    client.rpush("l", "x")
    with pytest.raises(oxidis.CommandError, match="WRONGTYPE"):
        client.get("l")
    assert client.set("l", "string") == "OK" and client.get("l") == b"string"
    assert client.set("short", "v", "PX", 1) == "OK"
    until(lambda: client.get("short") is None)
    for length in [0, 1, 127, 128, 129, 100_000]:
        assert client.set("long", b"x" * length) == "OK" and client.get("long") == b"x" * length
    assert client.get("\ud800".encode("utf-8", "surrogatepass")) is None
    with pytest.raises(UnicodeEncodeError):
        client.get("\ud800")


def test_text_comes_if_asked_for(place: Place) -> None:
    client = place.native(decode_responses=True)
    client.set("ä", "ö")
    assert client.get("ä") == "ö"
    client.set("bytes", b"\xff")
    with pytest.raises(UnicodeDecodeError):
        client.get("bytes")
    # It is none that the session suffers from.
    assert client.get("ä") == "ö"


@pytest.mark.parametrize("value", [None, True, [], object()])
def test_what_is_no_value_is_refused(place: Place, value: object) -> None:
    client = place.native()
    with pytest.raises(oxidis.ArgumentError):
        client.set("k", value)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        client.execute("SET", "k", value)
    assert client.execute("EXISTS", "k") == 0


def test_errors(place: Place) -> None:
    client = place.native()
    client.rpush("l", "x")
    with pytest.raises(oxidis.CommandError) as caught:
        client.get("l")
    assert caught.value.code == "WRONGTYPE"
    assert client.execute("PING") == "PONG"


@pytest.mark.parametrize("command", ["SUBSCRIBE c", "psubscribe c", "MONITOR"])
def test_what_answers_more_than_once_is_refused(place: Place, command: str) -> None:
    client = place.native()
    for words in [(command,), tuple(command.split())]:
        with pytest.raises(oxidis.ArgumentError, match="more comes"):
            client.execute(*words)
    assert client.execute("PING") == "PONG"


def test_commands_are_called_by_their_names(place: Place) -> None:
    client = place.native()
    assert client.eval_ro("return 7", 0) == 7
    assert client.config_get("databases") == {b"databases": b"16"}
    assert client.exists("absent") == 0 and client.delete("absent") == 0 and client.client_no_evict("on") == "OK"
    assert {"hset", "config_get", "xreadgroup"} <= set(dir(client))
    assert oxidis.Client.zadd.__doc__.startswith("ZADD: ")
    with pytest.raises(AttributeError):
        client.nothing


def test_keys_expire_where_only_the_client_is_left() -> None:
    client = oxidis.Client()
    client.set("k", "v", "PX", 1)
    until(lambda: client.dbsize() == 0)


def test_long_replies_come_whole(place: Place) -> None:
    client = place.native()
    long = b"\r\n" * 500_000
    client.set("long", long)
    assert client.get("long") == long
    client.execute("RPUSH", "l", *range(50_000))
    assert client.lrange("l", 0, -1) == [str(number).encode() for number in range(50_000)]


def test_pipelines(place: Place) -> None:
    client = place.native()
    with client.pipeline() as pipeline:
        replies = pipeline.set("n", 1).incr("n").lpush("n", "x").get("n").run(raise_on_error=False)
    assert replies[:2] == ["OK", 2] and replies[3] == b"2"
    assert isinstance(replies[2], oxidis.CommandError)
    with client.pipeline() as pipeline, pytest.raises(oxidis.CommandError, match="WRONGTYPE"):
        pipeline.lpush("n", "x").run()
    assert client.pipeline().run() == []


def test_transactions(place: Place) -> None:
    client = place.native()
    with client.pipeline(transaction=True) as pipeline:
        assert pipeline.set("n", 1).incr("n").run() == ["OK", 2]
    with pytest.raises(oxidis.CommandError, match="unknown command"):
        client.pipeline(transaction=True).set("n", 7).execute("NOSUCH").run()
    assert client.get("n") == b"2"
    assert client.execute("MULTI") == "OK"
    assert client.incr("n") == "QUEUED"
    assert client.execute("EXEC") == [3]


def test_who_waits_holds_up_nobody(place: Place) -> None:
    client = place.native()
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(client.blpop("q", 20)))
    thread.start()
    until(lambda: b"blocked_clients:1" in client.execute("INFO", "clients"))
    client.rpush("q", "x")
    thread.join(20)
    assert got == [[b"q", b"x"]]
    assert client.blpop("q", 0.05) is None


def test_subscriptions(place: Place) -> None:
    client = place.native(decode_responses=True)
    with client.subscribe("news", "other") as subscription:
        assert client.publish("news", "one") == 1
        assert subscription.get(5) == oxidis.Message("news", "one")
        assert subscription.get(0.01) is None
        client.publish("other", "two")
        assert next(subscription) == ("other", "two", None)
    with client.psubscribe("n*") as subscription:
        client.publish("news", "three")
        assert subscription.get(5) == oxidis.Message("news", "three", "n*")
        thread = threading.Timer(0.05, subscription.close)
        thread.start()
        with pytest.raises(oxidis.ConnectionError):
            subscription.get()
        thread.join()


def test_a_database_and_a_name_are_chosen(place: Place) -> None:
    client = place.native(db=2, client_name="me")
    client.set("k", "v")
    assert place.native().get("k") is None
    assert client.execute("CLIENT GETNAME") == b"me"


def test_a_client_is_closed(place: Place) -> None:
    with place.native() as client:
        client.connect()
        client.set("k", "v")
    assert client.get("k") == b"v"
    client.disconnect()


def test_addresses() -> None:
    with oxidis.Server(password="p@ss word") as server:
        assert oxidis.Client(server.url).execute("PING") == "PONG"
        url = f"redis://:p@ss%20word@127.0.0.1:{server.port}?db=2"
        assert b"db=2" in oxidis.Client(url).execute("CLIENT", "INFO")
        with pytest.raises(oxidis.CommandError, match="NOAUTH"):
            oxidis.Client(f"redis://127.0.0.1:{server.port}").connect()
        with pytest.raises(oxidis.CommandError, match="WRONGPASS"):
            oxidis.Client(f"redis://127.0.0.1:{server.port}", password="wrong").connect()
        port = server.port
    with pytest.raises(ConnectionError, match="Connection refused"):
        oxidis.Client(f"redis://127.0.0.1:{port}").connect()
    for make in [oxidis.Client, oxidis.AsyncClient]:
        for url, reason in [
            ("http://example.org", "scheme"),
            ("", "scheme"),
            ("redis://h:99999", "port"),
            ("redis://h:65536", "port"),
            ("redis://h:-1", "port"),
            ("redis://h:x", "port"),
            ("redis://h/x", "database"),
            ("redis://h?db=x", "database"),
            ("redis://h?nosuch=1", "nosuch"),
            ("redis://[::1", "host"),
            ("redis://:p%4@h", "encoding"),
            ("unix://", "path"),
        ]:
            with pytest.raises(oxidis.ArgumentError, match=reason):
                make(url)
    # A message may end up in a log.
    with pytest.raises(oxidis.ArgumentError) as refused:
        oxidis.Client("redis://anna:sesame@h:99999")
    assert "sesame" not in str(refused.value)
    with pytest.raises(oxidis.ArgumentError):
        oxidis.Client("redis://", engine=oxidis.Engine())


def test_a_socket_of_the_file_system(tmp_path: object) -> None:
    path = f"{tmp_path}/oxidis.sock"
    with oxidis.Server(unixsocket=path, password="p@ss"):
        client = oxidis.Client(f"unix://:p%40ss@{path}?db=3")
        assert client.set("k", "v") == "OK" and client.get("k") == b"v"
        assert b"db=3" in client.execute("CLIENT", "INFO")
        with pytest.raises(oxidis.CommandError, match="NOAUTH"):
            oxidis.Client(f"unix://{path}").connect()


def test_a_server_that_stops_is_noticed() -> None:
    with oxidis.Server() as server:
        clients = [oxidis.Client(server.url), server.native()]
        for client in clients:
            client.connect()
    for client in clients:
        for _ in range(2):
            with pytest.raises(oxidis.ConnectionError):
                client.execute("PING")
            with pytest.raises(oxidis.ConnectionError):
                client.get("k")


@pytest.mark.parametrize("is_remote", [False, True])
def test_who_waits_learns_that_the_server_has_stopped(is_remote: bool) -> None:
    server = oxidis.Server().start()
    client = oxidis.Client(server.url) if is_remote else server.native()
    subscription = client.subscribe("news")
    ends: list[BaseException] = []

    def wait(action: Callable[[], object]) -> None:
        try:
            action()
        except oxidis.ConnectionError as error:
            ends.append(error)

    waits: list[Callable[[], object]] = [lambda: client.blpop("queue", 0), lambda: subscription.get(60)]
    threads = [threading.Thread(target=wait, args=(action,)) for action in waits]
    for thread in threads:
        thread.start()
    watch = server.native()
    until(lambda: b"blocked_clients:1" in watch.info("clients"))
    server.stop()
    for thread in threads:
        thread.join(60)
    assert len(ends) == 2


@pytest.mark.parametrize("is_remote", [False, True])
async def test_tasks_that_wait_learn_that_the_server_has_stopped(is_remote: bool) -> None:
    server = oxidis.Server().start()
    client = oxidis.AsyncClient(server.url) if is_remote else server.anative()
    subscription = await client.subscribe("news")
    waits = [asyncio.ensure_future(it) for it in [client.blpop("queue", 0), subscription.get(60)]]
    watch = server.native()
    while b"blocked_clients:1" not in watch.info("clients"):
        await asyncio.sleep(0.002)
    await asyncio.get_running_loop().run_in_executor(None, server.stop)
    for end in [*waits, client.get("k"), client.execute("PING")]:
        with pytest.raises(oxidis.ConnectionError):
            await asyncio.wait_for(end, 60)
    await subscription.close()
    await client.close()


async def test_asyncio(place: Place) -> None:
    async with place.anative() as client:
        assert await client.set("k", "v") == "OK"
        assert await client.get("k") == b"v"
        assert await client.execute('SET k "v w"') == "OK"
        assert await client.hset("h", "f", 1) == 1
        with pytest.raises(oxidis.CommandError, match="WRONGTYPE"):
            await client.get("h")
        with pytest.raises(oxidis.ArgumentError):
            await client.set("k", None)  # type: ignore[arg-type]
        async with client.pipeline(transaction=True) as pipeline:
            assert await pipeline.set("n", 1).incr("n").run() == ["OK", 2]
        assert await client.pipeline().run() == []


async def test_asyncio_waits_without_holding_up(place: Place) -> None:
    async with place.anative() as client:
        waiting = asyncio.create_task(client.blpop("q", 20))
        while b"blocked_clients:1" not in await client.execute("INFO", "clients"):
            await asyncio.sleep(0.001)
        await client.rpush("q", "x")
        assert await waiting == [b"q", b"x"]
        assert await client.blpop("q", 0.05) is None


async def test_asyncio_waiting_can_be_cancelled() -> None:
    client = oxidis.AsyncClient()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.blpop("q", 0), 0.05)
    await client.rpush("q", "x")
    assert await client.llen("q") == 1
    assert b"blocked_clients:0" in await client.execute("INFO", "clients")


async def test_asyncio_subscriptions(place: Place) -> None:
    async with place.anative(decode_responses=True) as client:
        async with await client.subscribe("news") as subscription:
            assert await client.publish("news", "one") == 1
            assert await subscription.get(5) == ("news", "one", None)
            await client.publish("news", "two")
            async for message in subscription:
                assert message.payload == "two"
                break


def test_a_client_without_a_thread_of_its_own_in_many() -> None:
    client = oxidis.Client()

    def work() -> None:
        for _ in range(500):
            client.incr("n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == b"4000"


async def test_asyncio_over_a_socket_needs_no_thread() -> None:
    with oxidis.Server() as server:
        threads = threading.active_count()
        async with oxidis.AsyncClient(server.url) as client:
            waits = [asyncio.create_task(client.blpop("q", 0)) for _ in range(50)]
            info = "blocked_clients:50"
            while info not in (await client.execute("INFO", "clients")).decode():
                await asyncio.sleep(0.001)
            assert threading.active_count() == threads
            await client.execute("RPUSH", "q", *range(50))
            assert len(await asyncio.gather(*waits)) == 50


async def test_asyncio_waiting_over_a_socket_can_be_cancelled() -> None:
    with oxidis.Server() as server:
        async with oxidis.AsyncClient(server.url) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.blpop("q", 0), 0.05)
            # What would have been its reply is nobody else's.
            while b"blocked_clients:0" not in await client.execute("INFO", "clients"):
                await asyncio.sleep(0.001)
            await client.rpush("q", "x")
            assert await client.llen("q") == 1


async def test_asyncio_addresses(tmp_path: object) -> None:
    path = f"{tmp_path}/oxidis.sock"
    with oxidis.Server(password="p@ss word", unixsocket=path) as server:
        url = f"redis://127.0.0.1:{server.port}"
        async with oxidis.AsyncClient(server.url) as client:
            assert await client.execute("PING") == "PONG"
        async with oxidis.AsyncClient(url, password="p@ss word", db=3, client_name="me") as client:
            assert (await client.connect()) is client
            assert b"db=3" in await client.client_info() and await client.client_getname() == b"me"
        async with oxidis.AsyncClient(f"unix://{path}", password="p@ss word") as client:
            assert await client.execute("PING") == "PONG"
        with pytest.raises(oxidis.CommandError, match="NOAUTH"):
            await oxidis.AsyncClient(url).connect()
        with pytest.raises(oxidis.CommandError, match="WRONGPASS"):
            await oxidis.AsyncClient(url, password="wrong").connect()
    with pytest.raises(oxidis.ConnectionError, match="Connection refused"):
        await oxidis.AsyncClient(url).connect()
    with pytest.raises(oxidis.ConnectionError, match="No such file"):
        await oxidis.AsyncClient(f"unix://{path}.absent").connect()


async def test_asyncio_notices_a_server_that_stops() -> None:
    with oxidis.Server() as server:
        client = await oxidis.AsyncClient(server.url).connect()
        subscription = await client.subscribe("news")
        waiting = asyncio.create_task(client.blpop("q", 0))
        while b"blocked_clients:1" not in await client.execute("INFO", "clients"):
            await asyncio.sleep(0.001)
        url = server.url
        await asyncio.to_thread(server.stop)
    for end in [waiting, subscription.get(20), client.execute("PING"), oxidis.AsyncClient(url).connect()]:
        with pytest.raises(oxidis.ConnectionError):
            await end
    await subscription.close()
    await client.close()


def test_asyncio_client_in_one_loop_after_another() -> None:
    with oxidis.Server() as server:
        client = oxidis.AsyncClient(server.url)

        async def count() -> int:
            async with client:
                return int(await client.incr("n"))

        assert [asyncio.run(count()) for _ in range(3)] == [1, 2, 3]


async def test_asyncio_text_that_is_none(place: Place) -> None:
    async with place.anative(decode_responses=True) as client:
        await client.set("bytes", b"\xff")
        with pytest.raises(UnicodeDecodeError):
            await client.get("bytes")
        assert await client.set("ä", "ö") == "OK" and await client.get("ä") == "ö"


async def test_asyncio_long_replies_come_whole(place: Place) -> None:
    async with place.anative() as client:
        long = b"\r\n" * 500_000
        await client.set("long", long)
        assert await client.get("long") == long
        async with client.pipeline() as pipeline:
            for number in range(2000):
                pipeline.rpush("l", number)
            assert await pipeline.lrange("l", 0, -1).run() == [
                *range(1, 2001),
                [str(number).encode() for number in range(2000)],
            ]


async def test_asyncio_who_does_not_read_messages_gets_them_later() -> None:
    with oxidis.Server() as server:
        async with oxidis.AsyncClient(server.url) as client, await client.subscribe("news") as subscription:
            publisher = server.native()
            for number in range(25_000):
                publisher.publish("news", number)
            for number in range(25_000):
                message = await subscription.get(20)
                assert message is not None and message.payload == str(number).encode()


async def test_addresses_with_tls(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "certificate.pem", append=True)
    options = {
        "tls_port": free_port(),
        "tls_cert_file": str(tmp_path / "certificate.pem"),
        "tls_key_file": str(tmp_path / "key.pem"),
        "tls_ca_cert_file": str(tmp_path / "ca.pem"),
        "tls_auth_clients": "no",
    }
    with oxidis.Server(password="secret", **options):
        url = f"rediss://:secret@localhost:{options['tls_port']}"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        big = b"x" * 300_000
        with oxidis.Client(url) as client:
            assert client.set("k", big) == "OK" and client.get("k") == big
            with client.subscribe("news") as subscription:
                client.publish("news", "hello")
                assert subscription.get(30) == oxidis.Message(b"news", b"hello")
        async with oxidis.AsyncClient(url) as client:
            assert await client.get("k") == big
        with redis.Redis.from_url(url, ssl_ca_certs=str(tmp_path / "ca.pem")) as other:
            assert other.get("k") == big
        # A server that nobody trusts.
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "stranger.pem"))
        with pytest.raises(oxidis.ConnectionError, match="(?i)certificate"):
            oxidis.Client(url).connect()
        with pytest.raises(oxidis.ConnectionError, match="(?i)certificate"):
            await oxidis.AsyncClient(url).connect()
