"""What can go wrong."""

from __future__ import annotations

import builtins


class Error(Exception):
    """What can go wrong, in one type."""


class CommandError(Error):
    """A command was answered with an error; the text is Redis's, its code word first."""

    @property
    def code(self) -> str:
        """The code word, such as ``WRONGTYPE``."""
        return str(self).split(" ", 1)[0]


class ConnectionError(Error, builtins.ConnectionError):
    """The connection cannot be made, or is at its end."""


class TimeoutError(Error, builtins.TimeoutError):
    """What was waited for did not come in time."""


class ForkError(Error, RuntimeError):
    """Something is used in a child of the process that made it."""


class ArgumentError(Error, ValueError):
    """An argument is none that goes into a command."""


def command_error(text: str) -> CommandError:
    """The exception for an error's text."""
    return CommandError(text)
