"""Forks, the end of the interpreter, signals, and what goes wrong in threads: each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def run(program: str, *arguments: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """Runs a program; that it hangs is a failure."""
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def succeed(program: str) -> str:
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


CHILD = """
    import os, sys

    def in_child(action):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            try:
                action()
                sys.stdout.flush()
                os._exit(0)
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr)
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, status
"""


def forking(program: str) -> str:
    return textwrap.dedent(CHILD) + textwrap.dedent(program)


@unix
def test_a_child_does_not_use_what_its_parent_has() -> None:
    said = succeed(
        forking(
            """
            import asyncio, oxidis
            server, engine = oxidis.Server().start(), oxidis.Engine()
            native, client, subscription = engine.client(), engine.redis(), engine.client().subscribe("c")
            remote = oxidis.AsyncClient(server.url)
            native.set("k", "parent")
            client.get("k")

            def child():
                for use in [lambda: native.get("k"), lambda: engine.client().get("k"), lambda: subscription.get(0),
                            lambda: client.get("k"), lambda: server.engine.client().get("k"),
                            lambda: server.snapshot(), lambda: asyncio.run(remote.get("k"))]:
                    try:
                        use()
                    except oxidis.ForkError:
                        print("refused")
                native.close()
                subscription.close()
                assert not server.is_running
                server.stop()

            in_child(child)
            assert native.get("k") == b"parent" and server.is_running
            server.stop()
            """
        )
    )
    assert said == "refused\n" * 7


@unix
def test_a_child_has_servers_and_engines_of_its_own() -> None:
    said = succeed(
        forking(
            """
            import oxidis
            parent = oxidis.Server().start()
            parent.native().set("k", "parent")

            def child():
                with oxidis.Server() as server, server.client() as client:
                    client.set("k", "child")
                    print(client.get("k"))
                print(oxidis.redis().get("k"))

            in_child(child)
            print(parent.native().get("k"))
            """
        )
    )
    assert said == "b'child'\nNone\nb'parent'\n"


@unix
def test_a_child_talks_to_its_parents_server_over_tcp() -> None:
    said = succeed(
        forking(
            """
            import oxidis
            server = oxidis.Server().start()
            client = server.client()
            client.set("k", "v")
            in_child(lambda: (client.incr("n"), print(client.get("k"))))
            in_child(lambda: oxidis.Client(server.url).incr("n"))
            print(client.get("n"))
            """
        )
    )
    assert said == "b'v'\nb'2'\n"


@unix
def test_forks_while_threads_work() -> None:
    succeed(
        forking(
            """
            import oxidis, threading
            engine, server = oxidis.Engine(), oxidis.Server().start()
            stop = threading.Event()

            def work(client):
                while not stop.is_set():
                    client.incr("n")
                    client.execute("RPUSH", "l", "x")

            threads = [threading.Thread(target=work, args=(it.client(),)) for it in (engine, server.engine)]
            for thread in threads:
                thread.start()

            def child():
                client = oxidis.Client()
                assert client.incr("n") == 1

            for _ in range(20):
                in_child(child)
            stop.set()
            for thread in threads:
                thread.join()
            server.stop()
            """
        )
    )


@unix
def test_a_child_may_end_as_programs_end() -> None:
    succeed(
        """
        import os, sys, oxidis
        server, client = oxidis.Server().start(), oxidis.redis()
        client.set("k", "v")
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert server.client().ping() and client.ping()
        """
    )


def test_the_interpreter_ends_while_servers_run() -> None:
    said = succeed(
        """
        import oxidis
        servers = [oxidis.Server().start() for _ in range(5)]
        clients = [server.client() for server in servers]
        print([client.ping() for client in clients])
        engine = oxidis.redis()
        engine.set("k", "v")
        native = oxidis.Client()
        native.subscribe("c")
        """
    )
    assert said == "[True, True, True, True, True]\n"


def test_the_interpreter_ends_while_threads_wait() -> None:
    succeed(
        """
        import oxidis, threading, time
        # The server ends first: who waits for it over TCP learns that.
        threading.excepthook = lambda it: None
        engine, server = oxidis.Engine(), oxidis.Server().start()
        waits = [
            lambda: engine.client().blpop("q", 0),
            lambda: engine.redis(socket_timeout=None).blpop("q", timeout=0),
            lambda: engine.client().subscribe("c").get(),
            lambda: oxidis.Client(server.url).blpop("q", 0),
            lambda: [engine.client().incr("n") for _ in iter(int, 1)],
        ]
        for wait in waits:
            threading.Thread(target=wait, daemon=True).start()
        while b"blocked_clients:2" not in engine.client().execute("INFO", "clients"):
            time.sleep(0.001)
        """
    )


def test_data_are_kept_when_the_interpreter_ends(tmp_path: object) -> None:
    program = """
        import oxidis, sys
        server = oxidis.Server(path=sys.argv[1]).start()
        print(server.native().incr("starts"))
    """
    for start in range(1, 4):
        done = run(program, f"{tmp_path}/data.rdb")
        assert (done.stdout, done.stderr) == (f"{start}\n", "")


@pytest.mark.parametrize(
    "wait",
    [
        "oxidis.Client().blpop('q', 0)",
        "oxidis.redis(socket_timeout=None).blpop('q', timeout=0)",
        "oxidis.Client().subscribe('c').get()",
        "next(subscribed(oxidis.redis()).listen()), next(p.listen())",
        "oxidis.Client(server.url).blpop('q', 0)",
        "asyncio.run(blocked(oxidis.AsyncClient()))",
        "asyncio.run(blocked(oxidis.AsyncClient(server.url)))",
        "asyncio.run(blocked(oxidis.aredis()))",
        "oxidis.Client(server.url).subscribe('c').get()",
        "subscribed(oxidis.redis()).get_message(timeout=None), p.get_message(timeout=None)",
        "server.redis().pipeline(transaction=False).blpop('q', 0).execute()",
        "oxidis.Client().pipeline().blpop('q', 0).run()",
        "asyncio.run(heard(oxidis.AsyncClient()))",
        "asyncio.run(heard(oxidis.AsyncClient(server.url)))",
        "delayed(server.native()).get('k')",
        "delayed(server.redis()).get('k')",
    ],
)
def test_ctrl_c_ends_a_wait(wait: str) -> None:
    program = f"""
        import asyncio, oxidis, signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server = oxidis.Server().start()

        def subscribed(client):
            global p
            p = client.pubsub()
            p.subscribe("c")
            return p

        async def blocked(client):
            async with client:
                await client.blpop("q", 0)

        async def heard(client):
            async with client:
                await (await client.subscribe("c")).get()

        def delayed(client):
            global fault  # It ends when nobody has it.
            fault = server.fault("GET", delay=3600, times=1)
            return client

        try:
            print("waiting", flush=True)
            {wait}
        except KeyboardInterrupt:
            print("interrupted")
        assert oxidis.redis().ping() and server.client().ping()
        server.stop()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert (said, complaints, process.returncode) == ("interrupted\n", "", 0)


def test_signals_are_the_programs_own() -> None:
    said = succeed(
        """
        import asyncio, os, signal, threading

        def dispositions():
            found = [(number, signal.getsignal(number)) for number in signal.valid_signals()]
            # Where the system tells it, also what was done past the interpreter.
            if os.path.exists("/proc/self/status"):
                with open("/proc/self/status") as status:
                    found += [line for line in status if line.startswith(("SigCgt", "SigIgn"))]
            return found

        # The C library takes a signal for itself with the first thread of a process.
        threading.Thread(target=int).start()
        asyncio.run(asyncio.sleep(0))
        before, wakeup = dispositions(), signal.set_wakeup_fd(-1)
        import oxidis, oxidis.pytest_plugin
        assert dispositions() == before

        async def ask(*clients):
            for client in clients:
                async with client:
                    await client.set("k", "v")
                    await client.blpop("q", 0.01)

        with oxidis.Server(workers=2) as server:
            for client in [server.client(), server.redis(), server.native(), oxidis.redis(), oxidis.Client(server.url)]:
                client.set("k", "v")
                client.eval("return 1", 0)
            asyncio.run(ask(oxidis.aredis(), server.anative(), oxidis.AsyncClient(server.url)))
            with server.fork():
                assert dispositions() == before
        assert dispositions() == before and signal.set_wakeup_fd(-1) == wakeup == -1
        print("left alone")
        """
    )
    assert said == "left alone\n"


def test_what_goes_wrong_in_a_thread_stays_there() -> None:
    succeed(
        """
        import oxidis, threading
        failures = []
        threading.excepthook = lambda it: failures.append(it.exc_type.__name__)
        engine = oxidis.Engine()
        client, native = engine.redis(), engine.client()

        def in_transaction():
            with client.pipeline() as pipeline:
                pipeline.watch("k")
                pipeline.multi()
                pipeline.set("k", "v")
                raise RuntimeError

        def with_fault():
            with engine.fault("GET", error="ERR no"):
                client.get("k")

        def refused():
            native.execute("INCR", "list")

        client.rpush("list", "x")
        for action in [in_transaction, with_fault, refused]:
            thread = threading.Thread(target=action)
            thread.start()
            thread.join()
        assert failures == ["RuntimeError", "ResponseError", "CommandError"], failures
        assert client.get("k") is None and native.get("k") is None
        assert client.set("k", "v") and native.get("k") == b"v"
        """
    )


def test_a_server_answers_while_a_thread_keeps_the_interpreter() -> None:
    succeed(
        """
        import mmap, oxidis, subprocess, sys, tempfile
        server = oxidis.Server().start()
        child = (
            "import oxidis, sys; client = oxidis.Client(sys.argv[1]); client.set('k', 'v'); "
            "file = open(sys.argv[2], 'r+b'); file.write(client.get('k')); file.close()"
        )
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(1))
            file.flush()
            shared = mmap.mmap(file.fileno(), 1)
            process = subprocess.Popen([sys.executable, "-c", child, server.url, file.name])
            # From here on no other thread gets the interpreter, unless it is given away.
            sys.setswitchinterval(1000)
            while not shared[0]:
                pass
            assert shared[0:1] == b"v" and process.wait() == 0
        """
    )


def test_threads_run_while_one_waits() -> None:
    succeed(
        """
        import oxidis, threading, time
        client = oxidis.Client()
        thread = threading.Thread(target=lambda: client.blpop("q", 30))
        thread.start()
        beats = 0
        while b"blocked_clients:1" not in client.execute("INFO", "clients"):
            beats += 1
        for _ in range(10_000):
            beats += 1
        client.rpush("q", "x")
        thread.join(30)
        assert not thread.is_alive()
        """
    )
