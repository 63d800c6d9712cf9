"""An engine in this process, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from oxidis import _native
from oxidis._async_client import AsyncClient
from oxidis._client import Client
from oxidis._native_client import ClientOptions
from oxidis._options import Option, directives
from oxidis._testing import RECORDED_MAX, Testing, Time, clock_options

if TYPE_CHECKING:
    from redis import Redis as SyncRedis
    from redis.asyncio import Redis as AsyncRedis
    from typing_extensions import Unpack


class Engine(Testing):
    """An engine with nothing in it and nothing on disk; its clients run straight into it.

    Every directive of redis.conf is an option, as with :class:`oxidis.Server`.

    :param password: The password that clients must give; those that the engine makes give it.
    :param default_ttl: Seconds that a key written without an expiry lives.
    :param seed: The seed of everything random. Without one each engine is different.
    :param clock: ``"manual"``, or the time from which on it stands still, until :meth:`advance` moves it.
    :param record_commands: Whether what clients send is kept for :meth:`commands`, or how many commands of it.
    """

    _inner: _native.NativeEngine

    def __init__(
        self,
        *,
        password: str | None = None,
        default_ttl: int | None = None,
        seed: int | None = None,
        clock: Union[str, Time, None] = None,
        record_commands: Union[bool, int] = False,
        **options: Option,
    ) -> None:
        if default_ttl is not None:
            options["default_ttl"] = default_ttl
        if password is not None:
            options["requirepass"] = password
        self._password = password
        self._inner = _native.NativeEngine(
            directives(options), seed, *clock_options(clock)
        )
        if record_commands:
            self.record_commands(RECORDED_MAX if record_commands is True else record_commands)

    @classmethod
    def _of(cls, native: _native.NativeEngine, password: str | None) -> "Engine":
        engine = cls.__new__(cls)
        engine._inner = native
        engine._password = password
        return engine

    def _control(self) -> _native.Control:
        return self._inner.control()

    def fork(self) -> "Engine":
        """Another engine, opened with the same options, with the same data and the same time."""
        return Engine._of(self._inner.fork(), self._password)

    def redis(self, **options: Any) -> "SyncRedis":
        """A ``redis.Redis`` whose connections run straight into the engine; the options are redis-py's."""
        from oxidis._redis import Redis

        options.setdefault("password", self._password)
        return Redis(engine=self, **options)

    def aredis(self, **options: Any) -> "AsyncRedis":
        """As :meth:`redis`, for asyncio."""
        from oxidis._aredis import Redis

        options.setdefault("password", self._password)
        return Redis(engine=self, **options)

    def client(self, **options: "Unpack[ClientOptions]") -> Client:
        """A native client; the options are those of :class:`oxidis.Client`."""
        options.setdefault("password", self._password)
        return Client(engine=self, **options)

    def aclient(self, **options: "Unpack[ClientOptions]") -> AsyncClient:
        """A native client for asyncio."""
        options.setdefault("password", self._password)
        return AsyncClient(engine=self, **options)
