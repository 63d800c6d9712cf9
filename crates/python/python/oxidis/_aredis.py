"""redis-py for asyncio whose connections run straight into an engine, without a socket."""

# mypy: disable-error-code="no-untyped-call,no-any-return,override,assignment,misc"
# redis-py says nothing about the types of what it is made of.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

import redis.asyncio
from redis._parsers import _AsyncRESP3Parser
from redis.asyncio.connection import Connection as _TcpConnection
from redis.asyncio.connection import ConnectionPool as _ConnectionPool
from redis.exceptions import ConnectionError

from oxidis import _native
from oxidis._watch import readable
from oxidis._wire import EngineConnection, Wire, pool_of

if TYPE_CHECKING:
    from oxidis._engine import Engine


class Parser(_AsyncRESP3Parser):
    """Replies come parsed; what is left are pushes, and which errors are raised."""

    _session: _native.Session | None = None

    def on_connect(self, connection: Any) -> None:
        self._session = connection._reader.session
        self.encoder = connection.encoder
        self._connected = True

    def on_disconnect(self) -> None:
        self._session = None
        self._connected = False

    async def can_read(self) -> bool:
        if self._session is None:
            raise OSError("the connection is closed")
        return self._session.wait(0)

    async def can_read_destructive(self) -> bool:
        return await self.can_read()

    async def read_response(self, disable_decoding: bool = False, push_request: bool | None = False) -> Any:
        while True:
            session = self._session
            if session is None:
                raise ConnectionError("Connection closed by server.")
            if not session.wait(0):
                await readable(session)
            reply = session.receive(0, disable_decoding)
            if type(reply) is tuple:
                reply = await self.handle_push_response(list(reply))
                if push_request:
                    return reply
            elif isinstance(reply, ConnectionError):
                raise reply
            else:
                return reply


class StreamWire(Wire):
    """As a stream has it."""

    __slots__ = ()

    def writelines(self, requests: Iterable[bytes]) -> None:
        """Queues requests, and executes them."""
        for request in requests:
            self.session.send_bytes(bytes(request))
        self.session.flush()

    async def drain(self) -> None:
        """As a stream's; there is nothing to wait for."""

    async def wait_closed(self) -> None:
        """As a stream's; there is nothing to wait for."""

    def get_extra_info(self, name: str) -> None:
        """As a stream's; there is no address."""


class Connection(EngineConnection, _TcpConnection):
    """A connection of redis-py that runs straight into an engine."""

    reply_parser = Parser
    _reader: StreamWire | None
    _writer: StreamWire | None

    def __del__(self) -> None:
        # What is left of an event loop that has ended goes without a warning: there is no socket to be leaked.
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.close()

    async def _connect(self) -> None:
        self._reader = self._writer = StreamWire(self._session())

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self._parser.on_disconnect()
        self.reset_should_reconnect()
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()


class ConnectionPool(_ConnectionPool):
    """A pool without what redis-py's measures of connections to other machines."""

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        connection = self.get_available_connection()
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection


class Redis(redis.asyncio.Redis):
    """A client of redis-py for asyncio that runs straight into an engine of this process."""

    def __init__(
        self,
        *,
        engine: "Engine",
        single_connection_client: bool = False,
        **options: Any,
    ) -> None:
        self.engine = engine
        pool = pool_of(engine, ConnectionPool, Connection, options, redis.asyncio.Redis)
        super().__init__(connection_pool=pool, single_connection_client=single_connection_client)
        self.auto_close_connection_pool = True

    def __del__(self, *args: Any, **kwargs: Any) -> None:
        """No warning: there is no socket that could be left open."""
