"""How asyncio's event loop waits for a session."""

from __future__ import annotations

import asyncio
import itertools
import weakref

from oxidis import _native

_watches: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]" = weakref.WeakKeyDictionary()


class Watch:
    """What an event loop watches for all the sessions that are waited for in it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.notifier = _native.Notifier()
        self.tokens = itertools.count()
        self._waiters: dict[int, asyncio.Future[None]] = {}
        loop.add_reader(self.notifier.fileno(), self._on_news)

    @staticmethod
    def of_running_loop() -> "Watch":
        """That of the loop that runs."""
        loop = asyncio.get_running_loop()
        watch = _watches.get(loop)
        if watch is None:
            watch = _watches[loop] = Watch(loop)
        return watch

    def _on_news(self) -> None:
        for token in self.notifier.take():
            future = self._waiters.get(token)
            if future is not None and not future.done():
                future.set_result(None)

    async def news(self, token: int, patience: float | None) -> None:
        """Waits until the token is said, or so many seconds are over."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiters[token] = future
        timer = None
        if patience is not None:
            # A little later, so that time is over by the engine's clock, which counts milliseconds.
            timer = loop.call_later(patience + 0.001, _wake, future)
        try:
            await future
        finally:
            del self._waiters[token]
            if timer is not None:
                timer.cancel()


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


async def readable(session: _native.Session) -> None:
    """Waits until there is something to receive."""
    watch = Watch.of_running_loop()
    token = next(watch.tokens)
    while not session.poll(watch.notifier, token):
        await watch.news(token, session.patience())
