"""redis-py for asyncio in process, over TCP, and with redis-server: the same must come."""

from __future__ import annotations

import asyncio

import oxidis
import pytest
import redis
import redis.asyncio
from conftest import Place


async def test_it_is_a_client_of_redis_py() -> None:
    async with oxidis.aredis() as client:
        assert isinstance(client, redis.asyncio.Redis)
        assert await client.ping()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode_responses", [False, True])
async def test_values(place: Place, protocol: int, decode_responses: bool) -> None:
    text = (lambda it: it) if decode_responses else (lambda it: it.encode())
    async with place.aredis(protocol=protocol, decode_responses=decode_responses) as client:
        assert await client.set("s", "v") is True
        assert await client.get("s") == text("v")
        assert await client.hset("h", mapping={"a": 1}) == 1
        assert await client.hgetall("h") == {text("a"): text("1")}
        assert await client.zadd("z", {"m": 1.5}) == 1
        assert await client.zscore("z", "m") == 1.5
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await client.get("h")
        with pytest.raises(redis.DataError):
            await client.set("k", None)


async def test_pipelines_and_transactions(place: Place) -> None:
    async with place.aredis() as client:
        async with client.pipeline(transaction=False) as pipeline:
            for number in range(500):
                pipeline.set(f"k{number}", number)
            assert len(await pipeline.execute()) == 500
        async with client.pipeline() as pipeline:
            assert await pipeline.set("n", 1).incr("n").execute() == [True, 2]
        async with client.pipeline() as pipeline:
            await pipeline.watch("n")
            pipeline.multi()
            pipeline.incr("n")
            await client.set("n", 5)
            with pytest.raises(redis.WatchError):
                await pipeline.execute()


async def test_scripts(place: Place) -> None:
    async with place.aredis() as client:
        assert await client.eval("return {1, ARGV[1]}", 0, "a") == [1, b"a"]


async def test_who_waits_is_served_and_holds_up_nobody(place: Place) -> None:
    async with place.aredis() as client:
        waiting = asyncio.create_task(client.blpop("q", timeout=20))
        while (await client.info("clients"))["blocked_clients"] == 0:
            await asyncio.sleep(0.001)
        await client.rpush("q", "x")
        assert tuple(await waiting) == (b"q", b"x")
        assert await client.blpop("q", timeout=0.05) is None


async def test_waiting_can_be_cancelled(place: Place) -> None:
    async with place.aredis() as client:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.blpop("q", timeout=0), 0.05)
        await client.rpush("q", "x")
        assert await client.llen("q") == 1
        assert await client.ping()


async def test_published_messages_come(place: Place) -> None:
    async with place.aredis(decode_responses=True) as client, client.pubsub() as subscriber:
        await subscriber.subscribe("news")
        await subscriber.psubscribe("ch*")
        kinds = [(await subscriber.get_message(timeout=5))["type"] for _ in range(2)]
        assert kinds == ["subscribe", "psubscribe"]
        assert await subscriber.get_message(timeout=0.01) is None
        await client.publish("news", "one")
        message = await subscriber.get_message(timeout=5)
        assert (message["type"], message["channel"], message["data"]) == ("message", "news", "one")

        async def later() -> None:
            await asyncio.sleep(0.02)
            await client.publish("channel", "two")

        task = asyncio.create_task(later())
        async for message in subscriber.listen():
            assert (message["pattern"], message["data"]) == ("ch*", "two")
            break
        await task


async def test_a_killed_connection_is_made_anew(place: Place) -> None:
    async with place.aredis() as client, place.aredis() as other:
        identifier = await client.client_id()
        assert await other.client_kill_filter(_id=str(identifier)) == 1
        await asyncio.sleep(0.01)
        assert await client.ping()
        assert await client.client_id() != identifier


async def test_many_tasks_share_a_client(place: Place) -> None:
    async with place.aredis() as client:
        await asyncio.gather(*(client.incr("n") for _ in range(90)))
        assert await client.get("n") == b"90"


def test_every_event_loop_is_served() -> None:
    engine = oxidis.Engine()

    async def wait_and_serve() -> object:
        async with engine.aredis() as client:
            waiting = asyncio.create_task(client.blpop("q", timeout=20))
            while (await client.info("clients"))["blocked_clients"] == 0:
                await asyncio.sleep(0.001)
            await client.rpush("q", "x")
            return await waiting

    for _ in range(3):
        assert tuple(asyncio.run(wait_and_serve())) == (b"q", b"x")  # type: ignore[arg-type]
