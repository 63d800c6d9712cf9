"""Jobs with RQ: queues, a worker, results, failures and retries, jobs that wait for others or for their time."""

import sys
from datetime import timedelta

import rq
from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.scheduler import RQScheduler


def add(one: int, other: int) -> int:
    return one + other


def fail() -> None:
    raise ValueError("as it should")


def fail_twice(key: str) -> str:
    attempt = Redis(port=PORT).incr(key)
    if attempt < 3:
        raise ValueError(f"attempt {attempt}")
    return "at last"


PORT = int(sys.argv[1])
# The jobs name functions of this module, which workers import.
sys.modules["rq_jobs"] = sys.modules["__main__"]
for function in (add, fail, fail_twice):
    function.__module__ = "rq_jobs"


def main() -> None:
    connection = Redis(port=PORT)
    high, low = Queue("high", connection=connection), Queue("low", connection=connection)

    sums = low.enqueue_many([Queue.prepare_data(add, (number, 1)) for number in range(50)])
    urgent = high.enqueue(add, 20, 22, result_ttl=100)
    broken = high.enqueue(fail)
    stubborn = low.enqueue(fail_twice, "attempts", retry=Retry(max=3))
    after = low.enqueue(add, 1, 1, depends_on=[urgent, sums[-1]])
    never = low.enqueue(add, 1, 1, depends_on=broken)
    later = low.enqueue_in(timedelta(hours=1), add, 2, 2)
    assert low.count == 51 and after.get_status() == JobStatus.DEFERRED

    worker = SimpleWorker([high, low], connection=connection)
    assert worker.work(burst=True, logging_level="CRITICAL")

    fetched = Job.fetch_many([job.id for job in sums], connection=connection)
    assert [job.return_value() for job in fetched] == [number + 1 for number in range(50)]
    assert urgent.return_value() == 42 and after.return_value() == 2
    assert 0 < connection.ttl(urgent.key) <= 100
    assert broken.get_status() == JobStatus.FAILED and "as it should" in broken.latest_result().exc_string
    assert stubborn.return_value() == "at last" and connection.get("attempts") == b"3"
    assert never.get_status() == JobStatus.DEFERRED
    assert broken.id in FailedJobRegistry(queue=high)
    assert len(FinishedJobRegistry(queue=low)) == 52

    # What waits for its time is put into its queue when that has come.
    scheduled = ScheduledJobRegistry(queue=low)
    assert later.id in scheduled and scheduled.get_jobs_to_schedule() == []
    connection.zadd(scheduled.key, {later.id: 1})
    scheduler = RQScheduler([low], connection=connection)
    assert "low" in scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()
    assert worker.work(burst=True, logging_level="CRITICAL") and later.return_value() == 4

    assert urgent.delete() is None and not Job.exists(urgent.id, connection=connection)
    assert low.empty() == 0 and high.delete() is None


if __name__ == "__main__":
    main()
    print(f"RQ {rq.__version__}, jobs: passed")
