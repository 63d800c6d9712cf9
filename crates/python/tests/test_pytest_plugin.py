"""The fixtures that pytest finds by itself."""

from __future__ import annotations

from typing import Any

import oxidis
import pytest
import redis
import redis.asyncio


@pytest.mark.parametrize("turn", range(2))
def test_each_test_begins_without_data(redis_client: redis.Redis, turn: int) -> None:
    assert redis_client.dbsize() == 0
    redis_client.set("left", "behind")
    redis_client.config_get("databases")
    other = redis.Redis(port=redis_client.connection_pool.connection_kwargs["port"], db=5)
    other.set("left", "behind")
    assert redis_client.get("left") == "behind"
    assert "keyspace" not in redis_client.info("keyspace")
    other.close()


def test_the_server_is_one_for_all(oxidis_server: oxidis.Server, redis_client: redis.Redis) -> None:
    redis_client.set("k", "v")
    assert oxidis_server.native().get("k") == b"v"


@pytest.mark.parametrize("turn", range(2))
def test_each_test_begins_with_the_server_as_it_was(redis_client: redis.Redis, turn: int) -> None:
    assert redis_client.config_get("maxmemory", "requirepass") == {"maxmemory": "0", "requirepass": ""}
    assert [line.split()[1:3] for line in redis_client.acl_list()] == [["default", "on"]]
    redis_client.acl_setuser("reader", enabled=True, nopass=True)
    redis_client.config_set("maxmemory", "100mb", "requirepass", "secret")


def test_nothing_is_left_to_who_uses_the_server_alone(oxidis_server: oxidis.Server) -> None:
    with redis.Redis(port=oxidis_server.port, decode_responses=True) as client:
        assert client.config_get("maxmemory") == {"maxmemory": "0"}


@pytest.mark.parametrize("turn", range(2))
def test_nobody_has_to_be_left_who_can_clean(redis_client: redis.Redis, turn: int) -> None:
    assert redis_client.config_get("maxmemory") == {"maxmemory": "0"}
    redis_client.config_set("maxmemory", "100mb")
    redis_client.acl_setuser("default", enabled=True, categories=["-@all"])


@pytest.mark.parametrize("turn", range(2))
def test_the_server_may_be_stopped(redis_client: redis.Redis, oxidis_server: oxidis.Server, turn: int) -> None:
    assert redis_client.ping() and oxidis_server.is_running
    oxidis_server.stop()


@pytest.mark.parametrize("turn", range(2))
async def test_asyncio(async_redis_client: redis.asyncio.Redis, turn: int) -> None:
    assert await async_redis_client.dbsize() == 0
    await async_redis_client.set("k", "v")
    assert await async_redis_client.get("k") == "v"


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]])
def test_nothing_is_imported(pytester: Any, arguments: list[str]) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("turn", range(8))
        def test_alone(redis_client, turn):
            assert redis_client.dbsize() == 0
            for _ in range(50):
                redis_client.incr("n")
            assert redis_client.get("n") == "50"

        def test_server(oxidis_server):
            assert oxidis_server.is_running
        """
    )
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    done.assert_outcomes(passed=9)


def test_redis_py_is_not_needed_where_it_is_not_used(pytester: Any) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_without(oxidis_server):
            assert "redis" not in sys.modules
            assert oxidis_server.native().execute("PING") == "PONG"
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
