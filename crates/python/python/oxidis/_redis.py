"""redis-py whose connections run straight into an engine, without a socket."""

# mypy: disable-error-code="no-untyped-call,no-any-return,override,assignment,misc"
# redis-py says nothing about the types of what it is made of.

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import redis
from redis._parsers import _RESP3Parser
from redis.connection import Connection as _TcpConnection
from redis.connection import ConnectionPool as _ConnectionPool
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from oxidis import _errors, _native
from oxidis._wire import EngineConnection, Wire, pool_of

if TYPE_CHECKING:
    from oxidis._engine import Engine

_UNSET = object()


class Parser(_RESP3Parser):
    """Replies come parsed; what is left are pushes, and which errors are raised."""

    _session: _native.Session | None = None

    def on_connect(self, connection: Any) -> None:
        self._session = connection._sock.session
        self._timeout = connection.socket_timeout
        self.encoder = connection.encoder

    def on_disconnect(self) -> None:
        self._session = None

    def can_read(self, timeout: float = 0) -> bool:
        if self._session is None:
            return False
        return self._session.wait(timeout)

    def read_response(
        self,
        disable_decoding: bool = False,
        push_request: bool = False,
        timeout: Any = _UNSET,
    ) -> Any:
        session = self._session
        if session is None:
            raise ConnectionError("Connection closed by server.")
        if type(timeout) is object:
            timeout = self._timeout
        while True:
            reply = session.receive(timeout, disable_decoding)
            if type(reply) is tuple:
                reply = self.handle_push_response(list(reply))
                if push_request:
                    return reply
            elif isinstance(reply, ConnectionError):
                raise reply
            else:
                return reply


class SocketWire(Wire):
    """As a socket has it."""

    __slots__ = ()

    def shutdown(self, how: int) -> None:
        """As a socket's; closing is enough."""


class Connection(EngineConnection, _TcpConnection):
    """A connection of redis-py that runs straight into an engine."""

    reply_parser = Parser
    _sock: Wire | None

    def _connect(self) -> Wire:
        return SocketWire(self._session())

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        if self._sock is None:
            self.connect()
        if self.health_check_interval and kwargs.get("check_health", True):
            self.check_health()
        session = cast(Wire, self._sock).session
        try:
            session.send(args)
            session.flush()
        except OSError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from error

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._sock is None:
            self.connect()
        if self.health_check_interval and check_health:
            self.check_health()
        session = cast(Wire, self._sock).session
        try:
            for item in [command] if isinstance(command, (str, bytes)) else command:
                session.send_bytes(item.encode() if isinstance(item, str) else bytes(item))
            session.flush()
        except OSError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from error

    def can_read(self, timeout: float = 0) -> bool:
        if self._sock is None:
            self.connect()
        try:
            return self._parser.can_read(timeout)
        except OSError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from error

    def read_response(
        self,
        disable_decoding: bool = False,
        *,
        timeout: Any = _UNSET,
        disconnect_on_error: bool = True,
        push_request: bool = False,
    ) -> Any:
        try:
            response = self._parser.read_response(disable_decoding, push_request, timeout)
        except BaseException as error:
            if disconnect_on_error:
                self.disconnect()
            if isinstance(error, _errors.TimeoutError):
                raise TimeoutError("Timeout reading from oxidis") from error
            if isinstance(error, OSError):
                raise ConnectionError(str(error)) from error
            raise
        if isinstance(response, ResponseError):
            raise response
        return response


class ConnectionPool(_ConnectionPool):
    """A pool without what redis-py's measures of connections to other machines."""

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Connection:
        if getattr(self, "cache", None) is not None:
            return cast(Connection, super().get_connection())
        self._checkpid()
        with self._lock:
            if self._available_connections:
                connection = self._available_connections.pop()
            else:
                connection = self.make_connection()
            self._in_use_connections.add(connection)
        try:
            try:
                if connection.can_read():
                    raise ConnectionError("Connection has data")
            except (ConnectionError, TimeoutError, OSError):
                connection.disconnect()
                connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return cast(Connection, connection)

    def take(self) -> Connection:
        """A connection, as it is."""
        if self.pid != os.getpid():
            self._checkpid()
        with self._lock:
            if self._available_connections:
                connection = self._available_connections.pop()
            else:
                connection = self.make_connection()
            self._in_use_connections.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Takes a connection back."""
        with self._lock:
            if connection in self._in_use_connections:
                self._in_use_connections.remove(connection)
                self._available_connections.append(connection)

    def release(self, connection: Connection) -> None:
        if getattr(self, "cache", None) is not None or connection.should_reconnect():
            super().release(connection)
            return
        self._checkpid()
        with self._lock:
            if connection in self._in_use_connections:
                self._in_use_connections.remove(connection)
                if connection.pid == self.pid:
                    self._available_connections.append(connection)


class Redis(redis.Redis):
    """A client of redis-py that runs straight into an engine of this process."""

    def __init__(
        self,
        *,
        engine: "Engine",
        single_connection_client: bool = False,
        **options: Any,
    ) -> None:
        self.engine = engine
        pool = pool_of(engine, ConnectionPool, Connection, options, redis.Redis)
        super().__init__(connection_pool=pool, single_connection_client=single_connection_client)
        self.auto_close_connection_pool = True
        self._is_plain = (
            not single_connection_client
            and getattr(pool, "cache", None) is None
            and not options.get("health_check_interval")
            and options.get("credential_provider") is None
        )

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py's, but for what it measures of connections to other machines."""
        name = args[0]
        if not self._is_plain or (isinstance(name, str) and name.startswith("HIMPORT")):
            return super().execute_command(*args, **options)
        pool = cast(ConnectionPool, self.connection_pool)
        connection = pool.take()
        try:
            wire = connection._sock
            has_begun = wire is not None and wire.session.begin(args)
            if not has_begun:
                connection.disconnect()
                connection.connect()
            try:
                if not has_begun:
                    cast(Wire, connection._sock).session.send(args)
                return self.parse_response(connection, name, **options)
            except (ConnectionError, TimeoutError) as error:
                return self._retry(connection, error, args, options)
        finally:
            pool.give_back(connection)

    def _retry(
        self, connection: Connection, error: Exception, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        failures = [error]

        def attempt() -> Any:
            if failures:
                raise failures.pop()
            connection.send_command(*args)
            return self.parse_response(connection, args[0], **options)

        return connection.retry.call_with_retry(attempt, lambda _: connection.disconnect())
