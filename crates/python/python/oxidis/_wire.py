"""What both kinds of redis-py's connections have in common where they run straight into an engine."""

# mypy: disable-error-code="no-untyped-call,no-any-return,override,assignment,misc"
# redis-py says nothing about the types of what it is made of.

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from oxidis import _native

if TYPE_CHECKING:
    from oxidis._engine import Engine

TRANSPORT_OPTIONS = frozenset({"host", "port", "unix_socket_path", "socket_keepalive", "socket_keepalive_options"})
"""Options of redis-py that say how a socket is made: here is none."""


def connection_options(options: dict[str, Any], client: type) -> dict[str, Any]:
    """What the connections get of a client's options. Where redis-py's clients have defaults that differ from those of
    its connections, they are the clients'."""
    parameters = inspect.signature(client.__init__).parameters
    takes_all = any(it.kind is inspect.Parameter.VAR_KEYWORD for it in parameters.values())
    for name in options:
        if name not in parameters and not takes_all:
            raise TypeError(f"{client.__name__}() got an unexpected keyword argument {name!r}")
    options = {
        name: value
        for name, value in options.items()
        if name not in TRANSPORT_OPTIONS and not name.startswith("ssl")
    }
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


class Wire:
    """What a connection has in the place of a socket."""

    __slots__ = ("session",)

    def __init__(self, session: _native.Session) -> None:
        self.session = session

    def close(self) -> None:
        """Ends the session."""
        self.session.close()


class EngineConnection:
    """What a connection is told of an engine; stands before redis-py's connection among the bases."""

    reply_parser: ClassVar[Any]
    """What reads the replies."""

    def __init__(self, engine: _native.NativeEngine, **options: Any) -> None:
        self._engine = engine
        super().__init__(host="oxidis", port=0, **options)  # type: ignore[call-arg]

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("engine", self._engine), ("db", self.db)]  # type: ignore[attr-defined]

    def set_parser(self, parser_class: Any) -> None:
        self._parser = self.reply_parser(socket_read_size=0)

    def _host_error(self) -> str:
        return "oxidis"

    def _session(self) -> _native.Session:
        encoder = self.encoder  # type: ignore[attr-defined]
        return self._engine.session(
            self._parser.parse_error,
            encoder.encode,
            encoder.decode_responses,
            encoder.encoding,
            encoder.encoding_errors,
        )


def pool_of(engine: "Engine", kind: Any, connection: type, options: dict[str, Any], client: type) -> Any:
    """A pool of such connections, for a client with such options."""
    return kind(
        connection_class=connection, engine=engine._inner, **connection_options(options, client)
    )
