"""redis-py in process, over TCP, and with redis-server: the same must come."""

from __future__ import annotations

import threading
import time
from typing import Callable

import oxidis
import pytest
import redis
from conftest import Place, until


def test_it_is_a_client_of_redis_py() -> None:
    client = oxidis.redis()
    assert isinstance(client, redis.Redis)
    assert isinstance(client.connection_pool, redis.ConnectionPool)


def test_each_has_an_engine_of_its_own() -> None:
    one, other = oxidis.redis(), oxidis.redis()
    one.set("k", "v")
    assert other.get("k") is None


@pytest.mark.parametrize("make", [oxidis.redis, oxidis.aredis])
def test_options_that_redis_py_does_not_know_are_refused(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'decode_reponses'"):
        make(decode_reponses=True)


def test_an_engine_has_many_clients() -> None:
    engine = oxidis.Engine()
    engine.redis().set("k", "v")
    assert engine.redis(decode_responses=True).get("k") == "v"
    assert engine.client().get("k") == b"v"


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode_responses", [False, True])
def test_values_of_all_types(place: Place, protocol: int, decode_responses: bool) -> None:
    client = place.redis(protocol=protocol, decode_responses=decode_responses)
    text = (lambda it: it) if decode_responses else (lambda it: it.encode())
    assert client.set("s", "v") is True
    assert client.get("s") == text("v")
    assert client.get("absent") is None
    assert client.set("s", 1.5) and client.incrbyfloat("s", 1) == 2.5
    assert client.hset("h", mapping={"a": 1, "b": b"\x00\r\n"}) == 2
    assert client.hgetall("h") == {text("a"): text("1"), text("b"): text("\x00\r\n")}
    assert client.rpush("l", "a", "b") == 2 and client.lrange("l", 0, -1) == [text("a"), text("b")]
    client.sadd("set", "m")
    assert client.smembers("set") == {text("m")}
    assert client.zadd("z", {"m": 1.5, "n": float("inf")}) == 2
    assert [list(it) for it in client.zrange("z", 0, -1, withscores=True)] == [
        [text("m"), 1.5],
        [text("n"), float("inf")],
    ]
    assert client.zscore("z", "m") == 1.5
    identifier = client.xadd("x", {"f": "v"}, id="1-1")
    assert identifier == text("1-1") and client.xlen("x") == 1
    assert client.xrange("x") == [(text("1-1"), {text("f"): text("v")})]
    assert client.config_get("maxmemory-policy")
    assert client.exists("s", "h", "absent") == 2
    assert client.type("h") == text("hash")
    assert client.object("encoding", "s") is not None
    assert client.info("server")["redis_mode"] == "standalone"
    assert sorted(client.scan_iter(match="s*")) == [text("s"), text("set")]
    client.close()


def test_bytes_are_bytes(place: Place) -> None:
    client = place.redis()
    every = bytes(range(256))
    client.set(every, every)
    assert client.get(every) == every
    client.set("view", memoryview(b"view"))
    assert client.get("view") == b"view"
    with pytest.raises(UnicodeDecodeError):
        place.redis(decode_responses=True).get(every)


def test_other_encodings(place: Place) -> None:
    client = place.redis(encoding="latin-1", decode_responses=True)
    client.set("ä", "ö")
    assert client.get("ä") == "ö"
    assert place.redis().get(b"\xe4") == b"\xf6"


@pytest.mark.parametrize("value", [None, True, [], object()])
def test_what_is_no_value_is_refused(place: Place, value: object) -> None:
    client = place.redis()
    with pytest.raises(redis.DataError):
        client.set("k", value)  # type: ignore[arg-type]
    assert client.exists("k") == 0


def test_errors_are_those_of_redis_py(place: Place) -> None:
    client = place.redis()
    client.rpush("l", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("l")
    with pytest.raises(redis.exceptions.NoScriptError):
        client.evalsha("0" * 40, 0)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOSUCH")
    assert client.ping()


def test_pipelines(place: Place) -> None:
    client = place.redis()
    with client.pipeline(transaction=False) as pipeline:
        for number in range(1000):
            pipeline.set(f"k{number}", number)
        pipeline.get("k999")
        assert pipeline.execute()[-1] == b"999"
    with client.pipeline(transaction=False) as pipeline:
        pipeline.set("s", "v").lpush("s", "x").get("s")
        replies = pipeline.execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], redis.ResponseError) and replies[2] == b"v"


def test_transactions(place: Place) -> None:
    client = place.redis()
    with client.pipeline() as pipeline:
        assert pipeline.set("n", 1).incr("n").execute() == [True, 2]
    with client.pipeline() as pipeline:
        pipeline.watch("n")
        pipeline.multi()
        pipeline.incr("n")
        place.redis().set("n", 10)
        with pytest.raises(redis.WatchError):
            pipeline.execute()

    def count(pipeline: redis.client.Pipeline) -> None:
        pipeline.multi()
        pipeline.incr("n")

    assert client.transaction(count, "n") == [11]


def test_scripts(place: Place) -> None:
    client = place.redis()
    client.set("k", "v")
    assert client.eval("return {redis.call('get', KEYS[1]), ARGV[1], 3}", 1, "k", "a") == [b"v", b"a", 3]
    double = client.register_script("return redis.call('incrby', KEYS[1], redis.call('get', KEYS[1]))")
    client.set("n", 21)
    assert double(keys=["n"]) == 42


def test_published_messages_come(place: Place) -> None:
    client = place.redis(decode_responses=True)
    with client.pubsub() as subscriber:
        assert subscriber.get_message() is None
        subscriber.subscribe("news")
        subscriber.psubscribe("ch*")
        kinds = [subscriber.get_message(timeout=5)["type"] for _ in range(2)]
        assert kinds == ["subscribe", "psubscribe"]
        assert subscriber.get_message(timeout=0.01) is None
        assert client.publish("news", "one") == 1
        assert client.publish("channel", "two") == 1
        message = subscriber.get_message(timeout=5)
        assert (message["type"], message["channel"], message["data"]) == ("message", "news", "one")
        message = subscriber.get_message(timeout=5)
        assert (message["pattern"], message["channel"], message["data"]) == ("ch*", "channel", "two")
        subscriber.unsubscribe()
        assert subscriber.get_message(timeout=5)["type"] == "unsubscribe"
    until(lambda: client.pubsub_channels() == [])


def test_listening_ends_with_the_last_subscription(place: Place) -> None:
    client = place.redis(decode_responses=True)
    heard = []
    with client.pubsub() as subscriber:
        subscriber.subscribe("news")

        def listen() -> None:
            for message in subscriber.listen():
                heard.append(message["data"])
                if message["data"] == "end":
                    subscriber.unsubscribe("news")

        thread = threading.Thread(target=listen)
        thread.start()
        until(lambda: client.pubsub_numsub("news") == [("news", 1)])
        for text in ["one", "end"]:
            client.publish("news", text)
        thread.join(20)
        assert not thread.is_alive()
    assert heard == [1, "one", "end", 0]


def test_handlers_run_in_a_thread(place: Place) -> None:
    client = place.redis(decode_responses=True)
    heard: list[str] = []
    subscriber = client.pubsub()
    subscriber.subscribe(news=lambda message: heard.append(message["data"]))
    thread = subscriber.run_in_thread(sleep_time=0.01)
    until(lambda: client.publish("news", "x") == 1 and heard)
    thread.stop()
    thread.join(20)
    assert set(heard) == {"x"}


def test_who_waits_is_served(place: Place) -> None:
    client = place.redis()
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(client.blpop(["a", "b"], timeout=20)))
    thread.start()
    until(lambda: client.info("clients")["blocked_clients"] == 1)
    client.rpush("b", "x")
    thread.join(20)
    assert [tuple(it) for it in got] == [(b"b", b"x")]  # type: ignore[arg-type]


def test_patience_ends(place: Place) -> None:
    client = place.redis()
    before = time.monotonic()
    assert client.blpop("none", timeout=0.1) is None
    assert time.monotonic() - before >= 0.09
    assert client.xread({"none": "$"}, block=20) in ([], {}, None)


def test_streams_are_read_as_they_grow(place: Place) -> None:
    client = place.redis()
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(client.xread({"s": "$"}, block=20_000)))
    thread.start()
    until(lambda: client.info("clients")["blocked_clients"] == 1)
    client.xadd("s", {"f": "v"}, id="5-1")
    thread.join(20)
    assert "5-1" in repr(got)


def test_a_reply_may_be_waited_for_too_long(place: Place) -> None:
    client = place.redis(socket_timeout=0.05, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0))
    with pytest.raises(redis.TimeoutError):
        client.blpop("none", timeout=5)
    assert client.ping()


def test_a_database_and_a_name_are_chosen(place: Place) -> None:
    client = place.redis(db=3, client_name="me", decode_responses=True)
    client.set("k", "v")
    assert place.redis().get("k") is None
    assert client.client_getname() == "me"
    assert client.client_info()["db"] == 3


def test_a_killed_connection_is_made_anew(place: Place) -> None:
    client, other = place.redis(), place.redis()
    identifier = client.client_id()
    assert other.client_kill_filter(_id=str(identifier)) == 1
    assert client.ping()
    assert client.client_id() != identifier


def test_closing_ends_the_connections(place: Place) -> None:
    client, other = place.redis(client_name="mine"), place.redis(decode_responses=True)
    client.ping()
    assert [it["name"] for it in other.client_list()].count("mine") == 1
    client.close()
    until(lambda: [it["name"] for it in other.client_list()].count("mine") == 0)


def test_locks(place: Place) -> None:
    client = place.redis()
    with client.lock("lock", timeout=10):
        assert not client.lock("lock", blocking=False).acquire()
    assert client.lock("lock", blocking=False).acquire()


def test_one_connection_is_enough(place: Place) -> None:
    with place.redis(single_connection_client=True) as client:
        assert client.client_id() == client.client_id()
        client.set("k", "v")
        assert client.get("k") == b"v"


def test_monitor(place: Place) -> None:
    client = place.redis()
    with client.monitor() as monitor:
        client.set("seen", "yes")
        words = next(it["command"] for it in monitor.listen() if "seen" in it["command"])
    assert words.split() == ["SET", "seen", "yes"]


# redis-py refuses to keep a cache of a server older than 7.4, as the one that is asked otherwise is.
@pytest.mark.parametrize("place", ["in process", "over TCP"], indirect=True)
def test_client_side_caching(place: Place) -> None:
    from redis.cache import CacheConfig

    client = place.redis(cache_config=CacheConfig(), protocol=3, decode_responses=True)
    other = place.redis()
    other.set("k", "one")
    assert client.get("k") == "one" and client.get("k") == "one"
    assert client.get_cache().size == 1
    other.set("k", "two")
    until(lambda: client.get("k") == "two")


def test_threads_share_a_client(place: Place) -> None:
    client = place.redis()

    def work() -> None:
        for _ in range(200):
            client.incr("n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == b"1600"
