"""Directives of redis.conf from keyword arguments."""

from __future__ import annotations

import os
from typing import Mapping, Union

Option = Union[str, bytes, int, float, bool, "os.PathLike[str]"]
"""What a directive's value may be given as."""


def directives(options: Mapping[str, Option]) -> list[tuple[str, str]]:
    """Names with underscores become names with hyphens, and ``True`` becomes ``yes``."""
    return [(name.replace("_", "-"), _text(value)) for name, value in options.items()]


def _text(value: Option) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return str(value)
