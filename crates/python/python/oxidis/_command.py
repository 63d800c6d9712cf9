"""The command ``oxidis``: the server, and ``oxidis cli``, the prompt."""

from __future__ import annotations

import sys

from oxidis import _native


def main() -> int:
    """Does what the arguments ask for, and answers the exit code."""
    sys.stdout.flush()
    return _native.run(["oxidis", *sys.argv[1:]])
