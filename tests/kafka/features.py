"""The application of app.py with tasks and queues of every kind that Celery offers."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Task
from celery.exceptions import Reject, SoftTimeLimitExceeded

from tests.kafka.app import QUEUE, app, traces
from tests.kafka.feature_queues import settings

app.conf.update(settings(QUEUE))


def note(what: object) -> int:
    """Leave a line for the test to read; how many lines like it there are."""
    traces.rpush(f"{QUEUE}:notes", str(what))
    return int(traces.incr(f"{QUEUE}:count:{what}"))


@app.task(name="add")
def add(*numbers: int) -> int:
    return sum(numbers)


@app.task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(name="fail")
def fail(*args: object) -> None:
    raise ValueError("as asked")


@app.task(name="say")
def say(*args: object) -> str:
    """Its last argument becomes a note."""
    note(args[-1])
    return str(args[-1])


@app.task(name="say_early", acks_late=False)
def say_early(what: str) -> None:
    note(what)


@app.task(name="say_slowly", rate_limit="30/m")
def say_slowly(what: str) -> None:
    note(f"{what} {time.time()}")


@app.task(name="say_in_time")
def say_in_time(what: str) -> float:
    """When it ran."""
    note(what)
    return time.time()


@app.task(name="silent", ignore_result=True)
def silent(what: str) -> None:
    note(what)


@app.task(name="third_time", bind=True, max_retries=5)
def third_time(self: Task, what: str, countdown: float) -> int:
    """How many tries it took."""
    if (tries := note(what)) < 3:
        raise self.retry(countdown=countdown)
    return tries


@app.task(name="third_time_by_itself", autoretry_for=(ValueError,), retry_kwargs={"countdown": 0.2})
def third_time_by_itself(what: str) -> int:
    if (tries := note(what)) < 3:
        raise ValueError("not yet")
    return tries


@app.task(name="rejected", bind=True)
def rejected(self: Task, what: str, requeue: bool) -> list[Any]:
    """Rejects itself at the first try; [tries, whether it came again]."""
    if (tries := note(what)) == 1:
        raise Reject("as asked", requeue=requeue)
    return [tries, bool(self.request.delivery_info["redelivered"])]


@app.task(name="stubborn", time_limit=1)
def stubborn(what: str) -> None:
    note(what)
    time.sleep(60)


@app.task(name="polite", soft_time_limit=0.5)
def polite() -> str:
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        return "in time"
    return "too late"


@app.task(name="progress", bind=True)
def progress(self: Task) -> str:
    self.update_state(state="PROGRESS", meta={"done": 1})
    time.sleep(0.3)
    return "done"


@app.task(name="nap")
def nap(what: str, seconds: float) -> str:
    note(what)
    time.sleep(seconds)
    note(f"{what} awake")
    return what


@app.task(name="everywhere")
def everywhere(what: str) -> None:
    note(f"{what} {os.getppid()}")


def routed(self: Task) -> tuple[str, str]:
    """Where it came from."""
    info = self.request.delivery_info
    return info["exchange"], info["routing_key"]


for name in ("paint", "report"):
    app.task(routed, name=name, bind=True)


@app.task(name="who")
def who() -> int:
    return os.getpid()
