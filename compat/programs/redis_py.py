"""A parcel service with redis-py: orders in a stream, workers of a group, a lock, a limit of calls in Lua, a leader
board, the nearest depot, and a count of distinct customers."""

import sys
import threading
import time

import redis
from redis.lock import Lock

ORDERS = 200
WORKERS = 4
LIMIT_OF_CALLS = """
local calls = redis.call('incr', KEYS[1])
if calls == 1 then redis.call('pexpire', KEYS[1], ARGV[2]) end
return calls <= tonumber(ARGV[1]) and 1 or 0
"""


def work(port: int, protocol: int, name: str) -> None:
    r = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    while True:
        batches = r.xreadgroup("workers", name, {"orders": ">"}, count=7, block=500)
        if not batches:
            return
        entries = batches["orders"][0] if isinstance(batches, dict) else batches[0][1]
        for entry, order in entries:
            if int(order["number"]) % 10 == 0 and name == "worker:0":
                continue  # Lost on the way: someone else claims it later.
            with r.pipeline() as pipe:
                pipe.hincrby("stock", order["item"], -1)
                pipe.zincrby("leaders", 1, order["customer"])
                pipe.xack("orders", "workers", entry)
                pipe.execute()


def count_under_lock(port: int, protocol: int) -> None:
    r = redis.Redis(port=port, protocol=protocol)
    for _ in range(20):
        with Lock(r, "lock", timeout=10, sleep=0.001):
            count = int(r.get("count") or 0)
            r.set("count", count + 1)


def together(target, arguments) -> None:
    threads = [threading.Thread(target=target, args=given) for given in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def run(port: int, protocol: int) -> None:
    r = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    r.flushall()

    # Orders.
    r.hset("stock", mapping={f"item:{n}": 100 for n in range(5)})
    r.xgroup_create("orders", "workers", id="0", mkstream=True)
    with r.pipeline(transaction=False) as pipe:
        for number in range(ORDERS):
            customer = f"customer:{number % 17}"
            pipe.xadd("orders", {"number": number, "item": f"item:{number % 5}", "customer": customer})
            pipe.pfadd("customers", customer)
        pipe.execute()
    together(work, [(port, protocol, f"worker:{n}") for n in range(WORKERS)])
    lost = r.xpending("orders", "workers")["pending"]
    _, claimed, _ = r.xautoclaim("orders", "workers", "manager", 0, "0-0", count=1000)
    assert len(claimed) == lost, (claimed, lost)
    for entry, order in claimed:
        r.hincrby("stock", order["item"], -1)
        r.zincrby("leaders", 1, order["customer"])
        assert r.xack("orders", "workers", entry) == 1
    assert r.xpending("orders", "workers")["pending"] == 0
    assert sum(map(int, r.hvals("stock"))) == 500 - ORDERS
    leaders = r.zrange("leaders", 0, -1, desc=True, withscores=True)
    assert len(leaders) == 17 and sum(float(score) for _, score in leaders) == ORDERS, leaders
    assert r.pfcount("customers") == 17
    assert r.xlen("orders") == ORDERS and r.xtrim("orders", maxlen=10, approximate=False) == ORDERS - 10
    assert r.xinfo_groups("orders")[0]["name"] == "workers"

    # A lock, and a limit of calls.
    together(count_under_lock, [(port, protocol)] * 3)
    assert r.get("count") == "60"
    limit = r.register_script(LIMIT_OF_CALLS)
    assert [limit(keys=["calls"], args=[3, 60_000]) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert 0 < r.pttl("calls") <= 60_000
    r.script_flush()
    assert limit(keys=["calls"], args=[3, 60_000]) == 0

    # The same as a library of functions.
    library = "#!lua name=limits\nredis.register_function('limit', function(KEYS, ARGV)" + LIMIT_OF_CALLS + "end)"
    assert r.function_load(library, replace=True) == "limits"
    assert [r.fcall("limit", 1, "others", 2, 60_000) for _ in range(3)] == [1, 1, 0]
    payload = redis.Redis(port=port, protocol=protocol).function_dump()
    assert r.function_flush() and r.function_restore(payload) and r.fcall("limit", 1, "others", 9, 1) == 1

    # The nearest depot.
    depots = {"Palermo": (13.361389, 38.115556), "Catania": (15.087269, 37.502669), "Rome": (12.4964, 41.9028)}
    for depot, (longitude, latitude) in depots.items():
        r.geoadd("depots", (longitude, latitude, depot))
    nearest = r.geosearch("depots", longitude=15, latitude=37, radius=300, unit="km", sort="ASC", withdist=True)
    assert [depot for depot, _ in nearest] == ["Catania", "Palermo"], nearest

    # A moved key is whole, and news reach everyone.
    raw = redis.Redis(port=port, protocol=protocol)
    assert raw.restore("copy", 0, raw.dump("leaders")) and raw.zcard("copy") == 17
    heard = []
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(news=lambda message: heard.append(message["data"]))
    thread = listener.run_in_thread(sleep_time=0.01)
    deadline = time.time() + 5
    while not heard and time.time() < deadline:
        r.publish("news", "done")
        time.sleep(0.02)
    thread.stop()
    thread.join(5)
    assert heard and set(heard) == {"done"}


for protocol in (2, 3):
    run(int(sys.argv[1]), protocol)
print(f"redis-py {redis.__version__}, a parcel service: passed")
