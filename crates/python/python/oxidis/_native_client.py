"""What the native clients have in common: what they are made of, how commands are named, queued and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Protocol, TypedDict, Union

from oxidis import _native
from oxidis._errors import ArgumentError, CommandError

if TYPE_CHECKING:
    from typing_extensions import Self

    from oxidis._engine import Engine

Argument = Union[bytes, bytearray, memoryview, str, int, float]
"""What a command's words may be: bytes as they are, text as UTF-8, numbers as their text."""


class Message(NamedTuple):
    """What came by way of a subscription."""

    channel: Any
    """The channel."""
    payload: Any
    """What was said."""
    pattern: Any = None
    """The pattern that the channel matches, if that is what was subscribed to."""


class ClientOptions(TypedDict, total=False):
    """How a native client speaks, and as whom."""

    decode_responses: bool
    """Whether strings are text instead of bytes."""
    db: int
    """The database."""
    username: str | None
    """The ACL user; without one, the default user."""
    password: str | None
    """The password."""
    client_name: str | None
    """The name that CLIENT LIST shows."""


def engine_of(engine: "Engine | None", url: str | None) -> "_native.NativeEngine | None":
    """The engine that a client is of; none where there is a URL."""
    if engine is not None:
        if url is not None:
            raise ArgumentError("either an engine or a URL")
        return engine._inner
    if url is not None:
        return None
    from oxidis._engine import Engine

    return Engine()._inner


class Commands:
    """Commands by their names: ``client.hset("user", "name", "Ada")`` is HSET, ``client.config_get("dir")`` CONFIG GET.

    Those that Oxidis has are methods; others, of a server with more, are for ``execute``.
    """

    if TYPE_CHECKING:

        def execute(self, *arguments: Argument) -> Any: ...

        def __getattr__(self, name: str) -> Callable[..., Any]: ...


def _method(command: str, name: str, summary: str) -> Callable[..., Any]:
    def run(self: Commands, *arguments: Argument) -> Any:
        return self.execute(command, *arguments)

    run.__name__, run.__qualname__, run.__doc__ = name, f"Commands.{name}", f"{command}: {summary}"
    return run


def _add_methods() -> None:
    # `del` is no name in Python; `delete` is what everybody calls DEL. `exec` was none once.
    others = {"del": "delete", "exec": "exec_"}
    for command, summary in _native.commands():
        name = command.lower().replace(" ", "_").replace("-", "_")
        for each in {name, others.get(name, name)}:
            setattr(Commands, each, _method(command, each, summary))


_add_methods()


class Queue(Commands):
    """Commands that wait to be executed."""

    def __init__(self, transaction: bool) -> None:
        self._transaction = transaction
        self._commands: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._commands)

    def execute(self, *arguments: Argument) -> Self:
        """Queues a command."""
        self._commands.append(arguments)
        return self

    def _take(self) -> list[tuple[Any, ...]]:
        commands, self._commands = self._commands, []
        if self._transaction and commands:
            return [("MULTI",), *commands, ("EXEC",)]
        return commands

    def _replies(self, replies: list[Any], raise_on_error: bool) -> list[Any]:
        if self._transaction and replies:
            executed = replies[-1]
            if isinstance(executed, CommandError):
                # Why EXEC refused is what a command was answered when it was queued.
                refused = (reply for reply in replies if isinstance(reply, CommandError))
                raise next(refused, executed)
            replies = executed
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, CommandError):
                    raise reply
        return replies


class Conversation(Protocol):
    """What a subscription is heard over."""

    def send(self, arguments: tuple[Any, ...]) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class Subscribed:
    """What is subscribed, and what its messages are."""

    def __init__(
        self,
        conversation: Conversation,
        channels: tuple[Argument, ...],
        patterns: tuple[Argument, ...],
    ) -> None:
        if not channels and not patterns:
            raise ArgumentError("a subscription has at least one channel")
        self._confirmations = len(channels) + len(patterns)
        if channels:
            conversation.send(("SUBSCRIBE", *channels))
        if patterns:
            conversation.send(("PSUBSCRIBE", *patterns))
        conversation.flush()

    def _message(self, push: Any) -> Message | None:
        if isinstance(push, CommandError):
            raise push
        if type(push) is not tuple:
            return None
        kind = push[0] if isinstance(push[0], str) else push[0].decode()
        if kind in ("message", "smessage"):
            return Message(push[1], push[2])
        if kind == "pmessage":
            return Message(push[2], push[3], push[1])
        return None
