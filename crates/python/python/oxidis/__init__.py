"""A Redis-compatible data structure server inside your program.

* :class:`Server`: a server in threads of this process, for every client library.
* :func:`redis` and :func:`aredis`: redis-py, straight into an engine, without a socket.
* :class:`Engine`: an engine with many such clients.
* :class:`Client` and :class:`AsyncClient`: the native client, into an engine or to a server.

With pytest, the fixtures ``oxidis_server``, ``redis_client`` and ``async_redis_client`` are there without an import.
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from oxidis import _native
from oxidis._async_client import AsyncClient, AsyncPipeline, AsyncSubscription
from oxidis._client import Client, Pipeline, Subscription
from oxidis._engine import Engine
from oxidis._errors import (
    ArgumentError,
    CommandError,
    ConnectionError,
    Error,
    ForkError,
    TimeoutError,
)
from oxidis._native_client import ClientOptions, Message
from oxidis._options import Option
from oxidis._server import Server
from oxidis._testing import Command, Differences, Fault, Key, Snapshot

if _TYPE_CHECKING:
    from redis import Redis as _Redis
    from redis.asyncio import Redis as _AsyncRedis

__version__ = _native.__version__

__all__ = [
    "ArgumentError",
    "AsyncClient",
    "AsyncPipeline",
    "AsyncSubscription",
    "Client",
    "ClientOptions",
    "Command",
    "CommandError",
    "ConnectionError",
    "Differences",
    "Engine",
    "Error",
    "Fault",
    "ForkError",
    "Key",
    "Message",
    "Option",
    "Pipeline",
    "Server",
    "Snapshot",
    "Subscription",
    "TimeoutError",
    "aredis",
    "redis",
]

if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_native.after_fork_in_child)


def redis(**options: _Any) -> "_Redis":
    """A ``redis.Redis`` with an engine of its own in this process, and no socket; the options are redis-py's.

    It needs redis-py: ``pip install oxidis[redis]``. More clients of the same engine: :class:`Engine`.
    """
    return Engine().redis(**options)


def aredis(**options: _Any) -> "_AsyncRedis":
    """As :func:`redis`, for asyncio."""
    return Engine().aredis(**options)
