"""The native client for asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, AsyncIterator, Union

from oxidis import _native
from oxidis._closing import AsyncClosing
from oxidis._errors import CommandError, command_error
from oxidis._line import Line, Lines
from oxidis._native_client import Argument, ClientOptions, Commands, Message, Queue, Subscribed, engine_of
from oxidis._watch import Watch, readable

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from oxidis._engine import Engine

_Pending = _native.Pending


class AsyncClient(Commands, AsyncClosing):
    """:class:`oxidis.Client` for asyncio; options and methods are the same, and what talks to the engine is awaited.

    A command that waits, such as BLPOP, holds up only who awaits it. To a server it goes over sockets of the event
    loop's, one for each command that is under way; ``rediss://`` is spoken as :mod:`ssl` does by default.
    """

    def __init__(
        self, url: str | None = None, *, engine: "Engine | None" = None, **options: "Unpack[ClientOptions]"
    ) -> None:
        native = _native.NativeClient(engine_of(engine, url), url, command_error, **options)
        self._native = native
        self._lines = None if url is None else Lines(native)
        self._begin_get = native.begin_get
        self._begin_set = native.begin_set
        self._begin_execute = native.begin_execute

    # The next three are written out, as a call less is worth it: most of what a command costs is Python.

    async def execute(self, *arguments: Argument) -> Any:
        """Executes a command, given as its words or as one line, and answers its reply."""
        if self._lines is not None:
            return await self._lines.execute(self._native.encode(*arguments))
        reply = self._begin_execute(*arguments)
        if type(reply) is _Pending:
            return await self._finish(reply)
        return reply

    async def get(self, key: Argument) -> Any:
        """GET."""
        if self._lines is not None:
            return await self._lines.execute(self._native.encode("GET", key))
        reply = self._begin_get(key)
        if type(reply) is _Pending:
            return await self._finish(reply)
        return reply

    async def set(self, key: Argument, value: Argument, *options: Argument) -> Any:
        """SET. More arguments are SET's own, such as ``"EX", 10``."""
        if self._lines is not None:
            return await self._lines.execute(self._native.encode("SET", key, value, *options))
        reply = self._begin_set(key, value, *options)
        if type(reply) is _Pending:
            return await self._finish(reply)
        return reply

    async def _execute_many(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if not commands:
            return []
        if self._lines is not None:
            return await self._lines.ask(self._native.encode_many(commands), len(commands))
        return await self._collect(self._native.begin_many(commands))

    async def _finish(self, pending: _native.Pending) -> Any:
        reply = (await self._collect(pending))[0]
        if isinstance(reply, CommandError):
            raise reply
        return reply

    async def _collect(self, pending: _native.Pending) -> list[Any]:
        watch = Watch.of_running_loop()
        token = next(watch.tokens)
        replies: list[Any] = []
        try:
            while True:
                is_whole, patience = self._native.advance(pending, replies, watch.notifier, token)
                if is_whole:
                    return replies
                await watch.news(token, patience)
        except BaseException:
            pending.close()
            raise

    def pipeline(self, transaction: bool = False) -> "AsyncPipeline":
        """Commands that are executed together, as a transaction if so asked."""
        return AsyncPipeline(self, transaction)

    async def subscribe(self, *channels: Argument) -> "AsyncSubscription":
        """A subscription to channels."""
        return await self._subscription(channels, ())

    async def psubscribe(self, *patterns: Argument) -> "AsyncSubscription":
        """A subscription to patterns of channels."""
        return await self._subscription((), patterns)

    async def _subscription(
        self, channels: tuple[Argument, ...], patterns: tuple[Argument, ...]
    ) -> "AsyncSubscription":
        conversation = self._native.session() if self._lines is None else await self._lines.open()
        subscription = AsyncSubscription(conversation, channels, patterns)
        try:
            await subscription._confirm()
        except BaseException:
            await subscription.close()
            raise
        return subscription

    async def connect(self) -> "AsyncClient":
        """Sees that there is a connection, or raises what is against it."""
        await self.execute("PING")
        return self

    async def disconnect(self) -> None:
        """As :meth:`close`."""
        await self.close()

    async def close(self) -> None:
        """Closes the sessions. The next command opens a new one."""
        self._native.close()
        if self._lines is not None:
            await self._lines.close()


class AsyncPipeline(Queue, AsyncClosing):
    """Commands that are executed together."""

    def __init__(self, client: AsyncClient, transaction: bool) -> None:
        super().__init__(transaction)
        self._client = client

    async def run(self, raise_on_error: bool = True) -> list[Any]:
        """Executes what is queued, and answers the replies; the first error among them is raised."""
        return self._replies(await self._client._execute_many(self._take()), raise_on_error)

    async def close(self) -> None:
        """Forgets what is queued."""
        self._take()


class AsyncSubscription(Subscribed, AsyncClosing):
    """A subscription: an asynchronous iterator of messages."""

    def __init__(
        self,
        conversation: Union[_native.Session, Line],
        channels: tuple[Argument, ...],
        patterns: tuple[Argument, ...],
    ) -> None:
        super().__init__(conversation, channels, patterns)
        self._conversation = conversation

    async def _receive(self) -> Any:
        if isinstance(self._conversation, Line):
            return await self._conversation.receive()
        await readable(self._conversation)
        return self._conversation.receive(0)

    async def _confirm(self) -> None:
        for _ in range(self._confirmations):
            self._message(await self._receive())

    async def get(self, timeout: float | None = None) -> Message | None:
        """The next message, for which it waits so many seconds at the most; ``None`` is as long as it takes."""
        try:
            return await asyncio.wait_for(self.__anext__(), timeout)
        except asyncio.TimeoutError:
            return None

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while True:
            message = self._message(await self._receive())
            if message is not None:
                return message

    async def close(self) -> None:
        """Ends the subscription."""
        self._conversation.close()
