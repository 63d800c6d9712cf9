"""What tests ask of an engine: the time, faults, snapshots, what clients have sent."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple, Union

from oxidis import _native
from oxidis._closing import Closing
from oxidis._errors import ArgumentError

Time = Union[int, float, datetime.datetime]
"""Seconds since 1970, or a date."""

RECORDED_MAX = 100_000
"""How many commands ``record_commands=True`` keeps."""


class Key(bytes):
    """A key, which knows its database."""

    database: int
    """The number of its database."""

    def __new__(cls, key: bytes, database: int) -> "Key":
        made = super().__new__(cls, key)
        made.database = database
        return made


class Differences(NamedTuple):
    """What has changed since a snapshot."""

    added: list[Key]
    """Keys that are new."""
    removed: list[Key]
    """Keys that are gone."""
    changed: list[Key]
    """Keys whose value or expiry is another."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Command(NamedTuple):
    """A command as a client sent it."""

    words: tuple[bytes, ...]
    """Its name and its arguments."""
    client_id: int
    """The number of the client."""
    client_name: bytes
    """Its name, if it has given itself one."""
    database: int
    """The database that it had selected."""
    time: float
    """When it ran, in seconds since 1970 on the engine's clock."""

    @property
    def name(self) -> str:
        """The command, in capitals."""
        return self.words[0].decode("utf-8", "replace").upper()


class Snapshot:
    """A data set at one moment, to go back to or to compare with."""

    def __init__(self, inner: _native.NativeSnapshot) -> None:
        self._inner = inner

    def __len__(self) -> int:
        return len(self._inner)

    def __bool__(self) -> bool:
        return True


class Fault(Closing):
    """Something that goes wrong, until it is ended; a context manager."""

    def __init__(self, inner: _native.NativeFault) -> None:
        self._inner = inner

    @property
    def met(self) -> int:
        """How many requests have met it."""
        return self._inner.met()

    def end(self) -> None:
        """Ends it."""
        self._inner.end()

    close = end


def clock_options(clock: Union[str, Time, None]) -> tuple[bool, float | None]:
    """Whether the clock stands still, and from which time on, if one is given."""
    if clock is None or clock == "system":
        return False, None
    if clock == "manual":
        return True, None
    if isinstance(clock, str):
        raise ArgumentError(f"{clock!r} is no clock: it is 'manual', or the time at which it stands still")
    return True, seconds_since_1970(clock)


def seconds_since_1970(time: Time) -> float:
    """The time as a number."""
    return time.timestamp() if isinstance(time, datetime.datetime) else float(time)


class Testing:
    """What tests ask of an engine, or of a server's."""

    if TYPE_CHECKING:

        def _control(self) -> _native.Control: ...

    def advance(
        self,
        seconds: float = 0,
        *,
        milliseconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
    ) -> None:
        """Moves the clock on, which must be one that stands still (``clock="manual"``).

        Everything that is due on the way happens, each at its time: keys expire with their events, commands that wait
        give up in the order of their deadlines. All of it has happened when this returns.
        """
        time = datetime.timedelta(
            seconds=seconds, milliseconds=milliseconds, minutes=minutes, hours=hours, days=days
        )
        self._control().advance(time.total_seconds())

    def set_time(self, time: Time) -> None:
        """Moves the clock to a time, as :meth:`advance` does. To the past it goes without undoing anything."""
        self._control().set_time(seconds_since_1970(time))

    def time(self) -> float:
        """The time on the clock, in seconds since 1970."""
        return self._control().now()

    def fault(
        self,
        command: str | None = None,
        *,
        error: str | None = None,
        delay: float | None = None,
        cut: Union[bool, str] = False,
        lose_reply: bool = False,
        key: Union[str, bytes, None] = None,
        client: Union[str, bytes, int, None] = None,
        skip: int = 0,
        times: int | None = None,
    ) -> Fault:
        """Has requests meet a fault: those for the command, or all. It ends with its ``with``, or :meth:`Fault.end`.

        :raises ArgumentError: There is no such command, so that no request could meet it.

        :param error: They are not executed, and answered with this error: ``"LOADING ..."``, ``"OOM ..."``.
        :param delay: They are executed after so many seconds on the engine's clock.
        :param cut: They are not executed, and the connection ends; with ``"reply"`` they are executed, and it ends in
            the middle of the reply.
        :param lose_reply: They are executed, but the connection ends before the reply.
        :param key: Only those with a key that matches this pattern.
        :param client: Only those of a client, by its number, or a pattern of its name.
        :param skip: Not the first so many.
        :param times: Only so many times.
        """
        effects = [
            ("error", error is not None),
            ("delay", delay is not None),
            ("cut_reply" if cut == "reply" else "cut", bool(cut)),
            ("lose_reply", lose_reply),
        ]
        chosen = [effect for effect, is_chosen in effects if is_chosen]
        if len(chosen) != 1:
            raise ArgumentError("a fault is one of error, delay, cut and lose_reply")
        return Fault(
            self._control().fault(
                chosen[0],
                error or "",
                delay or 0.0,
                command,
                _bytes(key),
                _bytes(client),
                skip,
                times,
            )
        )

    def snapshot(self) -> Snapshot:
        """The data set as it is now, with scripts, groups, and the time of a clock that stands still."""
        return Snapshot(self._control().snapshot())

    def restore(self, snapshot: Snapshot) -> None:
        """Puts a snapshot, of this engine or another one, in the place of the data set. Connections go on."""
        self._control().restore(snapshot._inner)

    def diff(self, since: Snapshot) -> Differences:
        """What has changed since a snapshot."""
        added, removed, changed = (
            [Key(key, database) for key, database in keys]
            for keys in self._control().diff(since._inner)
        )
        return Differences(added, removed, changed)

    def record_commands(self, count_max: int = RECORDED_MAX) -> None:
        """Keeps what clients send from now on, the last so many commands of it."""
        self._control().record_commands(count_max)

    def commands(self) -> list[Command]:
        """What clients have sent, oldest first, where ``record_commands`` was asked for."""
        return [
            Command(tuple(words), client_id, client_name, database, time)
            for time, client_id, client_name, database, words in self._control().commands()
        ]

    def clear_commands(self) -> None:
        """Forgets what clients have sent so far."""
        self._control().clear_commands()


def _bytes(value: Union[str, bytes, int, None]) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()


