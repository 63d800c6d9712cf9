"""Tasks with Celery, with a broker and a store of results at the server: a worker in a process of its own, groups,
chains and chords, retries, countdowns, revoked tasks."""

import os
import signal
import subprocess
import sys
import time

import celery
from celery import Celery, chain, chord, group

PORT = os.environ.get("TASKS_PORT") or sys.argv[1]
URL = f"redis://127.0.0.1:{PORT}"
app = Celery("celery_tasks", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_extended=True,
    task_track_started=True,
    worker_prefetch_multiplier=4,
    broker_transport_options={"visibility_timeout": 60},
)


@app.task(name="add")
def add(one, other):
    return one + other


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="fail")
def fail():
    raise KeyError("as it should")


@app.task(name="retry", bind=True, max_retries=3)
def retry(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


def use() -> None:
    limit = 30
    assert add.delay(20, 22).get(timeout=limit) == 42
    many = group(add.s(number, number) for number in range(40))()
    assert many.get(timeout=limit) == [2 * number for number in range(40)]
    assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=limit) == 10
    assert chord((add.s(number, 1) for number in range(10)), total.s())().get(timeout=limit) == 55
    assert retry.delay().get(timeout=limit) == 2
    failed = fail.delay()
    try:
        failed.get(timeout=limit)
        raise AssertionError("it must fail")
    except KeyError:
        assert failed.state == "FAILURE" and "as it should" in failed.traceback
    revoked = add.apply_async((1, 1), countdown=3600)
    soon = add.apply_async((1, 1), countdown=0.2)
    revoked.revoke()
    assert soon.get(timeout=limit) == 2
    replies = app.control.inspect(timeout=5).ping()
    assert replies and list(replies.values()) == [{"ok": "pong"}], replies
    low = add.apply_async((2, 2), priority=9)
    assert low.get(timeout=limit) == 4
    low.forget()


def main() -> None:
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-P", "threads", "-c", "2", "-l", "WARNING"]
    environment = dict(os.environ, TASKS_PORT=PORT)
    # The log goes to this program's own output, which is shown when it fails.
    worker = subprocess.Popen(command, env=environment)
    try:
        use()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    finally:
        worker.kill()
        worker.wait()


if __name__ == "__main__":
    started = time.time()
    main()
    print(f"Celery {celery.__version__}, tasks: passed", flush=True)
