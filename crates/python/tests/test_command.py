"""The command `oxidis`, as it comes with the wheel."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import oxidis
import pytest
import redis
from conftest import until

COMMAND = Path(sys.executable).parent / "oxidis"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("command", [[str(COMMAND)], [sys.executable, "-m", "oxidis"]])
def test_it_is_a_server(command: list[str], tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*command, "--port", str(port), "--dir", str(tmp_path), "--save", ""],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def answers() -> bool:
        assert process.poll() is None
        try:
            return redis.Redis(port=port).ping()
        except redis.ConnectionError:
            return False

    until(answers)
    with redis.Redis(port=port) as client:
        assert client.set("k", "v") and client.get("k") == b"v"
        assert client.info("server")["process_id"] == process.pid
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 0, said
    assert "Ready to accept connections" in said


def test_it_is_a_prompt() -> None:
    with oxidis.Server() as server:
        done = subprocess.run(
            [COMMAND, "cli", "-p", str(server.port), "SET", "greeting", "hello"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.stdout, done.stderr, done.returncode) == ("OK\n", "", 0)
        assert server.native().get("greeting") == b"hello"
        typed = subprocess.run(
            [COMMAND, "cli", "-p", str(server.port)], input="GET greeting\n", capture_output=True, text=True, timeout=30
        )
        assert typed.stdout == "hello\n"


def test_it_says_its_version_and_what_is_wrong() -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, timeout=30)
    assert oxidis.__version__ in done.stdout and done.returncode == 0
    done = subprocess.run([COMMAND, "--no-such", "1"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "no-such" in done.stderr
