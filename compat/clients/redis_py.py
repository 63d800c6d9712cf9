"""redis-py against a server on the port given, in RESP2 and in RESP3."""

import sys
import threading
import time

import redis


def check(protocol: int, port: int) -> None:
    r = redis.Redis(port=port, protocol=protocol)
    text = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    r.flushall()

    # Strings and expiry, binary-safe.
    assert r.set("k", b"\x00\xff\r\n") is True
    assert r.get("k") == b"\x00\xff\r\n"
    assert r.set("k", "x", nx=True) is None
    assert r.set("k", "y", get=True) == b"\x00\xff\r\n"
    assert r.mset({"a": 1, "b": 2}) and r.mget("a", "b", "c") == [b"1", b"2", None]
    assert r.incr("a", 41) == 42 and r.incrbyfloat("f", 0.1) == 0.1
    assert r.setex("e", 100, "v") and 98 <= r.ttl("e") <= 100
    assert r.expire("e", 200, gt=True) and r.persist("e") and r.ttl("e") == -1
    assert r.getex("e", px=50_000) == b"v" and r.pttl("e") > 40_000
    assert r.append("e", "w") == 2 and r.setrange("e", 1, "xy") == 3 and r.getrange("e", 0, -1) == b"vxy"

    # Lists.
    assert r.rpush("l", 1, 2, 3, 4) == 4 and r.lrange("l", 0, -1) == [b"1", b"2", b"3", b"4"]
    assert r.lpop("l", 2) == [b"1", b"2"] and r.lpos("l", 4) == 1
    assert r.lmove("l", "m", "LEFT", "RIGHT") == b"3" and r.lmpop(2, "x", "l", direction="LEFT") == [b"l", [b"4"]]
    assert r.blpop(["x", "m"], timeout=1) == ((b"m", b"3") if protocol == 2 else [b"m", b"3"])
    assert r.blpop("x", timeout=0.01) is None

    # Hashes.
    assert r.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert r.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert r.hmget("h", "a", "c") == [b"1", None] and r.hincrbyfloat("h", "a", 1.5) == 2.5
    assert dict(r.hscan_iter("h")) == {b"a": b"2.5", b"b": b"2"}

    # Sets.
    assert r.sadd("s", 1, 2, 3) == 3 and r.smembers("s") == {b"1", b"2", b"3"}
    assert r.sadd("t", 2, 3, 4) == 3 and set(r.sinter("s", "t")) == {b"2", b"3"}
    assert r.smismember("s", [1, 9]) == [1, 0] and r.sintercard(2, ["s", "t"]) == 2

    # Sorted sets.
    assert r.zadd("z", {"one": 1, "two": 2.5, "three": 3}) == 3
    assert [list(p) for p in r.zrange("z", 0, -1, withscores=True)] == [[b"one", 1.0], [b"two", 2.5], [b"three", 3.0]]
    assert r.zscore("z", "two") == 2.5 and r.zrank("z", "three") == 2
    assert r.zrangebyscore("z", "(1", "+inf", start=0, num=1) == [b"two"]
    assert r.zadd("z", {"one": 10}, xx=True, ch=True) == 1 and r.zincrby("z", 0.1, "two") == 2.6
    assert r.zunionstore("u", {"z": 2}) == 3 and r.zscore("u", "three") == 6.0
    assert r.zpopmin("z")[0] is not None

    # Keys.
    for number in range(1000):
        r.set(f"many:{number}", number)
    assert len(set(r.scan_iter("many:*", count=50))) == 1000
    assert r.type("z") == b"zset" and r.object("encoding", "s") == b"intset"
    assert r.copy("l2", "l3") is False and r.rename("z", "z2") and r.exists("z", "z2") == 1
    assert text.sort("s", desc=True) == ["3", "2", "1"]

    # Pipelines and transactions.
    with r.pipeline(transaction=False) as pipe:
        for number in range(500):
            pipe.set(f"p:{number}", number).get(f"p:{number}")
        assert pipe.execute()[-1] == b"499"
    with r.pipeline() as pipe:
        pipe.watch("a")
        value = int(pipe.get("a"))
        pipe.multi()
        pipe.set("a", value + 1).get("a")
        assert pipe.execute() == [True, b"43"]
    with r.pipeline() as pipe:
        pipe.watch("a")
        r.set("a", "changed")
        pipe.multi()
        pipe.get("a")
        try:
            pipe.execute()
            raise AssertionError("the watched key was changed")
        except redis.WatchError:
            pass

    # Errors.
    for call, message in [
        (lambda: r.lpush("k", 1), "WRONGTYPE"),
        (lambda: r.execute_command("NOSUCH"), "unknown command"),
        (lambda: r.execute_command("GET"), "wrong number of arguments"),
        (lambda: r.incr("k"), "not an integer"),
    ]:
        try:
            call()
            raise AssertionError(f"no error: {message}")
        except redis.ResponseError as error:
            assert message in f"WRONGTYPE {error}" if message == "WRONGTYPE" else message in str(error), error

    # Publish and subscribe.
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("channel")
    listener.psubscribe("chan*")
    time.sleep(0.05)
    assert r.publish("channel", "hello") == 2
    messages = []
    deadline = time.time() + 5
    while len(messages) < 2 and time.time() < deadline:
        message = listener.get_message(timeout=0.1)
        if message:
            messages.append((message["type"], message["data"]))
    assert sorted(messages) == [("message", b"hello"), ("pmessage", b"hello")], messages
    listener.close()

    # A blocked client is woken by another.
    got = []
    waiter = threading.Thread(target=lambda: got.append(redis.Redis(port=port, protocol=protocol).blpop("queue", 5)))
    waiter.start()
    time.sleep(0.05)
    r.rpush("queue", "job")
    waiter.join(5)
    assert list(got[0]) == [b"queue", b"job"], got

    # What the client library parses of the server's own words.
    info = r.info()
    assert info["redis_version"] and info["connected_clients"] >= 1 and info["db0"]["keys"] > 1000
    assert r.config_get("maxmemory")["maxmemory"] == "0"
    assert r.client_setname("tester") and r.client_getname() in (b"tester", "tester")
    assert any(client["name"] == "tester" for client in r.client_list())
    assert r.command_count() > 150 and "get" in r.command()
    assert r.time()[0] > 1_600_000_000 and r.dbsize() > 1000 and r.echo("x") == b"x" and r.ping()
    other = redis.Redis(port=port, protocol=protocol, db=3)
    assert other.set("only", "here") and r.get("only") is None and other.move("only", 0) and r.get("only") == b"here"
    assert r.flushdb() and r.dbsize() == 0
    print(f"redis-py {redis.__version__}, RESP{protocol}: passed")


for protocol in (2, 3):
    check(protocol, int(sys.argv[1]))
