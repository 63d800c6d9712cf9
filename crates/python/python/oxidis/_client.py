"""The native client: no redis-py needed."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterator, NamedTuple, Union

from oxidis import _native
from oxidis._errors import ArgumentError, CommandError, TimeoutError, command_error
from oxidis._watch import Watch, readable

if TYPE_CHECKING:
    from typing_extensions import Self

    from oxidis._engine import Engine

_Pending = _native.Pending

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


def _source(engine: "Engine | None", url: str | None) -> "_native.NativeEngine | None":
    if engine is not None:
        if url is not None:
            raise ArgumentError("either an engine or a URL")
        return engine._inner
    if url is not None:
        return None
    from oxidis._engine import Engine

    return Engine()._inner


class _Commands:
    """Commands by their names: ``client.hset("user", "name", "Ada")`` is HSET."""

    if TYPE_CHECKING:

        def execute(self, *arguments: Argument) -> Any: ...

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        # `from` and the like are no names in Python; `delete` is what everybody calls DEL.
        command = {"delete": "DEL", "exec_": "EXEC"}.get(name)
        if command is None:
            # `config_get` is CONFIG GET, but `eval_ro` has its underscore.
            command = name.upper() if name.endswith("_ro") else name.upper().replace("_", " ")
        execute = self.execute

        def run(*arguments: Argument) -> Any:
            return execute(command, *arguments) if arguments else execute(command)

        return run


class Client(_native.NativeClient, _Commands):
    """A client written in Rust: into an engine of this process, or to a server.

    Bytes, text and numbers go in; bytes (or, with ``decode_responses``, text), numbers, lists, dictionaries, sets and
    ``None`` come out. An error is raised as :class:`oxidis.CommandError`.

    >>> client = Client()
    >>> client.execute('SET greeting "hello, you"')
    'OK'
    >>> client.get("greeting")
    b'hello, you'

    It may be used by many threads: one that finds it in use gets a session of its own. So what belongs to a session,
    such as SELECT and MULTI, wants a client that threads do not share, or :meth:`pipeline`.

    :param url: The server: ``redis://``, ``rediss://`` or ``unix://``. Without it, an engine of this process.
    :param engine: The engine; without it, and without a URL, one of the client's own.
    :param decode_responses: Whether strings are text instead of bytes.
    """

    def __new__(
        cls,
        url: str | None = None,
        *,
        engine: "Engine | None" = None,
        decode_responses: bool = False,
        db: int = 0,
        username: str | None = None,
        password: str | None = None,
        client_name: str | None = None,
    ) -> Self:
        return super().__new__(
            cls,
            _source(engine, url),
            url,
            command_error,
            decode_responses,
            db,
            username,
            password,
            client_name,
        )

    def pipeline(self, transaction: bool = False) -> "Pipeline":
        """Commands that are executed together, as a transaction if so asked."""
        return Pipeline(self, transaction)

    def subscribe(self, *channels: Argument) -> "Subscription":
        """A subscription to channels."""
        return Subscription(self.session(), channels, ())

    def psubscribe(self, *patterns: Argument) -> "Subscription":
        """A subscription to patterns of channels."""
        return Subscription(self.session(), (), patterns)

    def connect(self) -> "Client":
        """Sees that there is a connection, or raises what is against it."""
        self.execute("PING")
        return self

    def disconnect(self) -> None:
        """As :meth:`close`."""
        self.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Queue(_Commands):
    """Commands that wait to be executed."""

    def __init__(self, transaction: bool) -> None:
        self._transaction = transaction
        self._commands: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._commands)

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


class Pipeline(_Queue):
    """Commands that are executed together.

    >>> with Client().pipeline() as pipeline:
    ...     pipeline.set("n", 1)
    ...     pipeline.incr("n")
    ...     pipeline.run()
    ['OK', 2]
    """

    def __init__(self, client: Client, transaction: bool) -> None:
        super().__init__(transaction)
        self._client = client

    def execute(self, *arguments: Argument) -> "Pipeline":
        """Queues a command."""
        self._commands.append(arguments)
        return self

    def run(self, raise_on_error: bool = True) -> list[Any]:
        """Executes what is queued, and answers the replies; the first error among them is raised."""
        return self._replies(self._client.execute_many(self._take()), raise_on_error)

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._commands.clear()


class _Subscribed:
    def __init__(
        self,
        session: _native.Session,
        channels: tuple[Argument, ...],
        patterns: tuple[Argument, ...],
    ) -> None:
        if not channels and not patterns:
            raise ArgumentError("a subscription has at least one channel")
        self._session = session
        self._confirmations = len(channels) + len(patterns)
        if channels:
            session.send(("SUBSCRIBE", *channels))
        if patterns:
            session.send(("PSUBSCRIBE", *patterns))
        session.flush()

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

    def close(self) -> None:
        """Ends the subscription, also for who waits for a message in another thread."""
        self._session.close()


class Subscription(_Subscribed):
    """A subscription: an iterator of messages."""

    def __init__(
        self,
        session: _native.Session,
        channels: tuple[Argument, ...],
        patterns: tuple[Argument, ...],
    ) -> None:
        super().__init__(session, channels, patterns)
        # Who has it is subscribed.
        for _ in range(self._confirmations):
            self._message(session.receive())

    def get(self, timeout: float | None = None) -> Message | None:
        """The next message, for which it waits so many seconds at the most; ``None`` is as long as it takes."""
        while True:
            try:
                message = self._message(self._session.receive(timeout))
            except TimeoutError:
                return None
            if message is not None:
                return message

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        message = self.get()
        if message is None:
            raise StopIteration
        return message

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(_Commands):
    """:class:`Client` for asyncio; the methods are the same, and are awaited.

    A command that waits, such as BLPOP, holds up only who awaits it.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: "Engine | None" = None,
        decode_responses: bool = False,
        db: int = 0,
        username: str | None = None,
        password: str | None = None,
        client_name: str | None = None,
    ) -> None:
        native = _native.NativeClient(
            _source(engine, url),
            url,
            command_error,
            decode_responses,
            db,
            username,
            password,
            client_name,
        )
        self._native = native
        self._is_remote = url is not None
        self._begin_get = native.begin_get
        self._begin_set = native.begin_set
        self._begin_execute = native.begin_execute

    async def execute(self, *arguments: Argument) -> Any:
        """Executes a command, given as its words or as one line, and answers its reply."""
        if self._is_remote:
            return await asyncio.to_thread(self._native.execute, *arguments)
        reply = self._begin_execute(*arguments)
        if type(reply) is _Pending:
            return await self._finish(reply)
        return reply

    async def get(self, key: Argument) -> Any:
        """GET."""
        if self._is_remote:
            return await asyncio.to_thread(self._native.get, key)
        reply = self._begin_get(key)
        if type(reply) is _Pending:
            return await self._finish(reply)
        return reply

    async def set(self, key: Argument, value: Argument, *options: Argument) -> Any:
        """SET. More arguments are SET's own, such as ``"EX", 10``."""
        if self._is_remote:
            return await asyncio.to_thread(self._native.set, key, value, *options)
        reply = self._begin_set(key, value, *options)
        if type(reply) is _Pending:
            return await self._finish(reply)
        return reply

    async def _execute_many(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if self._is_remote:
            return await asyncio.to_thread(self._native.execute_many, commands)
        if not commands:
            return []
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
        if self._is_remote:
            session = await asyncio.to_thread(self._native.session)
        else:
            session = self._native.session()
        subscription = AsyncSubscription(session, channels, patterns, self._is_remote)
        await subscription._confirm()
        return subscription

    async def close(self) -> None:
        """Closes the sessions. The next command opens a new one."""
        self._native.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncPipeline(_Queue):
    """Commands that are executed together."""

    def __init__(self, client: AsyncClient, transaction: bool) -> None:
        super().__init__(transaction)
        self._client = client

    def execute(self, *arguments: Argument) -> "AsyncPipeline":
        """Queues a command."""
        self._commands.append(arguments)
        return self

    async def run(self, raise_on_error: bool = True) -> list[Any]:
        """Executes what is queued, and answers the replies; the first error among them is raised."""
        return self._replies(await self._client._execute_many(self._take()), raise_on_error)

    async def __aenter__(self) -> "AsyncPipeline":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._commands.clear()


class AsyncSubscription(_Subscribed):
    """A subscription: an asynchronous iterator of messages."""

    def __init__(
        self,
        session: _native.Session,
        channels: tuple[Argument, ...],
        patterns: tuple[Argument, ...],
        is_remote: bool,
    ) -> None:
        super().__init__(session, channels, patterns)
        self._is_remote = is_remote

    async def _receive(self) -> Any:
        if self._is_remote:
            return await asyncio.to_thread(self._session.receive)
        await readable(self._session)
        return self._session.receive(0)

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

    async def __aenter__(self) -> "AsyncSubscription":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
