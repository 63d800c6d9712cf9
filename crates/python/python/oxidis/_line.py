"""Connections of asyncio's to servers."""

from __future__ import annotations

import asyncio
import os
import ssl
import weakref
from collections import deque
from typing import Any, Union

from oxidis import _native
from oxidis._errors import CommandError, ConnectionError

SPARE_MAX = 64
"""How many connections are kept for the next command."""

ARRIVED_MAX = 10_000
"""How many messages may wait for who has subscribed before no more are read; the server deals with the rest."""


class Line(asyncio.Protocol):
    """One connection: requests go out as they are given, and replies wait in their order until they are taken."""

    def __init__(self, parser: _native.Line) -> None:
        self._parser = parser
        self._transport: asyncio.Transport | None = None
        self._arrived: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._end: Exception | None = None
        self._is_paused = False

    @property
    def is_idle(self) -> bool:
        """Whether it can be used for the next command: it is open, and nothing came that was not asked for."""
        return self._end is None and not self._arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._arrived.extend(self._parser.feed(data))
        except Exception as failure:
            self._finish(failure)
            self.close()
            return
        if len(self._arrived) > ARRIVED_MAX and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, failure: Exception | None) -> None:
        self._finish(ConnectionError("Connection closed by server."))

    def _finish(self, failure: Exception) -> None:
        if self._end is None:
            self._end = failure
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def write(self, requests: bytes) -> None:
        """Sends requests."""
        if self._end is None and self._transport is not None:
            self._transport.write(requests)

    def send(self, arguments: tuple[Any, ...]) -> None:
        """Sends one request, as a session does."""
        self.write(_native.pack(arguments))

    def flush(self) -> None:
        """As a session's; here everything goes at once."""

    async def receive(self) -> Any:
        """The next reply or push; a push is a tuple."""
        while not self._arrived:
            if self._end is not None:
                raise self._end
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        received = self._arrived.popleft()
        if self._is_paused and not self._arrived and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        if isinstance(received, Exception) and not isinstance(received, CommandError):
            # A reply that cannot be had as text.
            raise received
        return received

    async def replies(self, count: int) -> list[Any]:
        """The next replies, without the pushes that come between them."""
        replies: list[Any] = []
        while len(replies) < count:
            reply = await self.receive()
            if type(reply) is not tuple:
                replies.append(reply)
        return replies

    def close(self) -> None:
        """Ends it, also for who waits."""
        self._finish(ConnectionError("Connection closed."))
        if self._transport is not None:
            self._transport.abort()


class Lines:
    """Connections to a server that are taken turns with. One belongs to the event loop in which it was made."""

    def __init__(self, native: _native.NativeClient) -> None:
        self._native = native
        self._spare: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[Line]] = weakref.WeakKeyDictionary()

    async def open(self) -> Line:
        """A new one, which has said who it is."""
        shown, host, port, path, is_tls = self._native.address()
        loop = asyncio.get_running_loop()

        def make() -> Line:
            return Line(self._native.line())

        try:
            if path is not None:
                _, line = await loop.create_unix_connection(make, os.fspath(path))
            else:
                context = ssl.create_default_context() if is_tls else None
                _, line = await loop.create_connection(make, host, port, ssl=context)
        except OSError as failure:
            raise ConnectionError(f"Error connecting to {shown}: {_reason(failure)}.") from failure
        greeting, count = self._native.greeting()
        try:
            line.write(greeting)
            for reply in await line.replies(count):
                if isinstance(reply, CommandError):
                    raise reply
        except BaseException:
            line.close()
            raise
        return line

    async def ask(self, requests: bytes, count: int) -> list[Any]:
        """Sends requests, and answers so many replies; errors are among them."""
        spare = self._spare.setdefault(asyncio.get_running_loop(), [])
        while spare:
            line = spare.pop()
            if line.is_idle:
                break
            line.close()
        else:
            line = await self.open()
        try:
            line.write(requests)
            replies = await line.replies(count)
        except BaseException:
            # What comes yet would be taken for the reply to something else.
            line.close()
            raise
        if len(spare) < SPARE_MAX:
            spare.append(line)
        else:
            line.close()
        return replies

    async def execute(self, request: bytes) -> Any:
        """Sends a request, and answers its reply."""
        reply = (await self.ask(request, 1))[0]
        if isinstance(reply, CommandError):
            raise reply
        return reply

    async def close(self) -> None:
        """Closes those of the loop that runs."""
        spare = self._spare.pop(asyncio.get_running_loop(), [])
        for line in spare:
            line.close()
        if spare:
            # A transport closes its socket in the next round of the loop.
            await asyncio.sleep(0)


def _reason(failure: OSError) -> Union[str, OSError]:
    """What the system says, as the other client has it."""
    number = failure.errno
    if isinstance(failure, ssl.SSLError) or number is None or number <= 0:
        return failure
    return os.strerror(number)
