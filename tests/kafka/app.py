"""A Celery application without Django, whose tasks leave traces in Redis. Its settings come from the environment."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import redis
from celery import Celery

import project.kafka  # noqa: F401  (registers kafka://)

QUEUE = os.environ.get("TEST_QUEUE", "test")
ARGUMENTS = json.loads(os.environ.get("TEST_ARGUMENTS", "{}"))

app = Celery("traces", broker=os.environ.get("TEST_BROKER"), backend=os.environ.get("TEST_REDIS"))
app.conf.update(
    broker_transport_options=json.loads(os.environ.get("TEST_OPTIONS", "{}")),
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue=QUEUE,
    task_queues={
        QUEUE: {"queue_arguments": ARGUMENTS},
        f"{QUEUE}-second": {},
        **{f"{QUEUE}-idle-{number}": {} for number in range(3)},
    },
    task_routes={"second": {"queue": f"{QUEUE}-second"}},
    worker_prefetch_multiplier=4,
    worker_consumer="project.kafka.worker:Consumer",
    worker_hijack_root_logger=False,
)
traces = redis.Redis.from_url(os.environ.get("TEST_REDIS", "redis://127.0.0.1"))


@app.task(name="trace")
def trace(number: int, seconds: float = 0.0) -> int:
    """Note when it begins and ends, in which worker."""
    traces.rpush(f"{QUEUE}:begun", f"{number} {os.getppid()}")
    time.sleep(seconds)
    traces.rpush(f"{QUEUE}:ended", f"{number} {os.getppid()}")
    return number


@app.task(name="second")
def second(number: int) -> int:
    traces.rpush(f"{QUEUE}:second", number)
    return number


@app.task(name="die_once", bind=True)
def die_once(self: object, number: int) -> int:
    """Kill the pool's child at the first try."""
    if traces.incr(f"{QUEUE}:tries:{number}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return trace(number)


@app.task(name="kill_child")
def kill_child(number: int) -> None:
    """Kill the pool's child at every try."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="kill_worker")
def kill_worker(number: int) -> None:
    """Kill the worker with all its children, as a machine dies."""
    os.killpg(0, signal.SIGKILL)


@app.task(name="at")
def at(number: int) -> None:
    """Note when it ran."""
    traces.rpush(f"{QUEUE}:at", f"{number} {time.time()}")


@app.task(name="again", bind=True, max_retries=1)
def again(self: Any, number: int, countdown: float) -> None:
    """Note when it ran, at the first try and at the second, `countdown` seconds later."""
    at(number + self.request.retries)
    if not self.request.retries:
        raise self.retry(countdown=countdown)
