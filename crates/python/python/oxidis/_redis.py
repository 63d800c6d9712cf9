"""redis-py whose connections run straight into an engine, without a socket."""

# mypy: disable-error-code="no-untyped-call,no-any-return,override,assignment,misc"
# redis-py says nothing about the types of what it is made of.

from __future__ import annotations

import copy
import inspect
import os
from typing import TYPE_CHECKING, Any, cast

import redis
from redis._parsers import _RESP3Parser
from redis.connection import Connection as _TcpConnection
from redis.connection import ConnectionPool as _ConnectionPool
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from oxidis import _errors, _native

if TYPE_CHECKING:
    from oxidis._engine import Engine

_UNSET = object()

TRANSPORT_OPTIONS = frozenset({"host", "port", "unix_socket_path", "socket_keepalive", "socket_keepalive_options"})
"""Options of redis-py that say how a socket is made: here is none."""


def connection_options(options: dict[str, Any], client: type) -> dict[str, Any]:
    """What the connections get of a client's options. Where redis-py's clients have defaults that differ from those of
    its connections, they are the clients'."""
    options = {
        name: value
        for name, value in options.items()
        if name not in TRANSPORT_OPTIONS and not name.startswith("ssl")
    }
    parameters = inspect.signature(client.__init__).parameters
    if "retry" in parameters and options.get("retry") is None:
        default = parameters["retry"].default
        if default is not inspect.Parameter.empty and default is not None:
            options["retry"] = copy.deepcopy(default)
    if "maint_notifications_config" in parameters:
        # There is nothing that could be moved to another machine.
        from redis.maint_notifications import MaintNotificationsConfig

        options["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
    # There is no network whose silence could mean that it is broken.
    options.setdefault("socket_timeout", None)
    return options


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


class Wire:
    """What a connection has in the place of a socket."""

    __slots__ = ("session",)

    def __init__(self, session: _native.Session) -> None:
        self.session = session

    def shutdown(self, how: int) -> None:
        """As a socket's; closing is enough."""

    def close(self) -> None:
        self.session.close()


class Connection(_TcpConnection):
    """A connection of redis-py that runs straight into an engine."""

    _sock: Wire | None

    def __init__(self, engine: "_native.NativeEngine", **options: Any) -> None:
        self._engine = engine
        super().__init__(host="oxidis", port=0, **options)

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("engine", self._engine), ("db", self.db)]

    def set_parser(self, parser_class: Any) -> None:
        self._parser = Parser(socket_read_size=0)

    def _connect(self) -> Wire:
        encoder = self.encoder
        return Wire(
            self._engine.session(
                self._parser.parse_error,
                encoder.encode,
                encoder.decode_responses,
                encoder.encoding,
                encoder.encoding_errors,
            )
        )

    def _host_error(self) -> str:
        return "oxidis"

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
        pool = ConnectionPool(
            connection_class=Connection,
            engine=engine._inner,
            **connection_options(options, redis.Redis),
        )
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
