"""A server in this process."""

from __future__ import annotations

import atexit
import copy
import os
import weakref
from typing import TYPE_CHECKING, Any, Union

from oxidis import _native
from oxidis._async_client import AsyncClient
from oxidis._client import Client
from oxidis._engine import Engine
from oxidis._errors import Error
from oxidis._native_client import ClientOptions
from oxidis._options import Option, directives
from oxidis._testing import RECORDED_MAX, Testing, Time, clock_options

if TYPE_CHECKING:
    from redis import Redis as SyncRedis
    from redis.asyncio import Redis as AsyncRedis
    from typing_extensions import Unpack

_running: "weakref.WeakSet[Server]" = weakref.WeakSet()


class Server(Testing):
    """A Redis-compatible server in threads of this process. There may be many.

    Without options it listens on a free port of this machine only, and has nothing on disk::

        with oxidis.Server() as server:
            server.client().set("greeting", "hello")

    Every directive of redis.conf is an option, with underscores for hyphens: ``maxmemory="100mb"``,
    ``maxmemory_policy="allkeys-lru"``, ``appendfsync="always"``.

    :param port: The port; 0 is any free one.
    :param bind: The address to listen on, instead of 127.0.0.1.
    :param password: The password that clients must give.
    :param default_ttl: Seconds that a key written without an expiry lives.
    :param path: The file that the data are loaded from at the start and saved to: when the server stops, and at the
        save points. One that ends in ``.json`` can be read and written by people.
    :param appendonly: Whether every change is logged to disk as well.
    :param workers: How many threads read, execute and answer.
    :param seed: The seed of everything random. Without one each server is different.
    :param clock: ``"manual"``, or the time from which on it stands still, until :meth:`advance` moves it.
    :param record_commands: Whether what clients send is kept for :meth:`commands`, or how many commands of it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        bind: str | None = None,
        password: str | None = None,
        default_ttl: int | None = None,
        path: Union[str, "os.PathLike[str]", None] = None,
        appendonly: bool = False,
        workers: int | None = None,
        seed: int | None = None,
        clock: Union[str, Time, None] = None,
        record_commands: Union[bool, int] = False,
        **options: Option,
    ) -> None:
        if default_ttl is not None:
            options["default_ttl"] = default_ttl
        self._port = port
        self._bind = bind
        self._password = password
        self._path = path
        self._appendonly = appendonly
        self._workers = workers
        self._seed = seed
        self._clock = clock_options(clock)
        self._recorded_max = RECORDED_MAX if record_commands is True else int(record_commands)
        self._options = options
        self._native: _native.NativeServer | None = None
        self._pid = os.getpid()

    def start(self) -> "Server":
        """Starts it, if it does not run; it can be connected to, and has its data, when this returns."""
        if not self.is_running:
            # What is left of one that a client has shut down.
            self.stop()
            self._native = _native.NativeServer(
                self._port,
                self._bind,
                self._password,
                self._path,
                self._appendonly,
                self._workers,
                self._seed,
                *self._clock,
                directives(self._options),
            )
            self._began()
        return self

    def _began(self) -> None:
        self._pid = os.getpid()
        _running.add(self)
        if self._recorded_max:
            self.record_commands(self._recorded_max)

    def fork(self) -> "Server":
        """Another server, with the same options but for its port and its files, of which it has none, and with the
        same data, scripts and time. It runs."""
        forked = copy.copy(self)
        forked._native = self._running_native().fork()
        forked._port, forked._path, forked._appendonly = 0, None, False
        forked._began()
        return forked

    def _control(self) -> _native.Control:
        return self._running_native().engine().control()

    def stop(self) -> None:
        """Saves, if it keeps its data, closes every connection, and waits for the threads.

        Clients in this process (:meth:`redis`, :meth:`native` and their like) are closed as those over TCP are: what
        waits, and every command from then on, raises ``ConnectionError``, also after another :meth:`start`, which
        starts a server of its own. Does nothing when it does not run, and in a child of the process that started it.
        """
        native = self._native
        if native is not None and self._pid == os.getpid():
            self._native = None
            _running.discard(self)
            native.stop()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = self._native.url if self._native is not None else "stopped"
        return f"<oxidis.Server {state.rsplit('@', 1)[-1]}>"

    @property
    def is_running(self) -> bool:
        """Whether it runs, in this process. It does not after a client's SHUTDOWN either."""
        return self._native is not None and self._native.is_running()

    def _running_native(self) -> _native.NativeServer:
        if self._native is None:
            raise Error("the server does not run")
        return self._native

    @property
    def host(self) -> str:
        """The address at which this machine reaches it: the first that it listens on."""
        address = (self._bind or "127.0.0.1").split()[0].removeprefix("-")
        return {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "::*": "::1"}.get(address, address)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._running_native().port

    @property
    def url(self) -> str:
        """The URL that clients connect to, with the password if there is one."""
        return self._running_native().url

    @property
    def engine(self) -> Engine:
        """The engine behind it, for clients without a socket. When the server has stopped, it still answers
        :meth:`Engine.commands`, :meth:`Engine.diff` and the like, but serves nobody any more."""
        return Engine._of(self._running_native().engine(), self._password)

    def client(self, **options: Any) -> "SyncRedis":
        """A client of redis-py, over TCP; the options are those of ``redis.Redis``."""
        import redis

        options.setdefault("password", self._password)
        return redis.Redis(host=self.host, port=self.port, **options)

    def aclient(self, **options: Any) -> "AsyncRedis":
        """A client of redis-py for asyncio, over TCP."""
        import redis.asyncio

        options.setdefault("password", self._password)
        return redis.asyncio.Redis(host=self.host, port=self.port, **options)

    def redis(self, **options: Any) -> "SyncRedis":
        """A client of redis-py that runs straight into the server's engine, without a socket."""
        return self.engine.redis(**options)

    def aredis(self, **options: Any) -> "AsyncRedis":
        """As :meth:`redis`, for asyncio."""
        return self.engine.aredis(**options)

    def native(self, **options: "Unpack[ClientOptions]") -> Client:
        """The native client, straight into the server's engine."""
        return self.engine.client(**options)

    def anative(self, **options: "Unpack[ClientOptions]") -> AsyncClient:
        """The native client for asyncio, straight into the server's engine."""
        return self.engine.aclient(**options)


@atexit.register
def _stop_all() -> None:
    """Servers that still run when the interpreter ends keep their data."""
    for server in list(_running):
        server.stop()
