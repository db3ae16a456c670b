"""The Celery application of the storm's workers: one task, which notes in Redis when it begins and ends, and where."""

from __future__ import annotations

import json
import os
import random
import time

import redis
from celery import Celery

import project.kafka  # noqa: F401  (registers kafka://)

QUEUE = os.environ.get("STORM_QUEUE", "storm")
WORKER = os.environ.get("STORM_WORKER", "")
BEGUN, ENDED = f"{QUEUE}:begun", f"{QUEUE}:ended"

app = Celery("storm", broker=os.environ.get("STORM_BROKER"))
app.conf.update(
    broker_transport_options=json.loads(os.environ.get("STORM_OPTIONS", "{}")),
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue=QUEUE,
    worker_hijack_root_logger=False,
)
traces = redis.Redis.from_url(os.environ.get("STORM_REDIS", "redis://127.0.0.1"))


@app.task(name="storm")
def run(number: int, seconds: float) -> None:
    """Takes up to twice `seconds`, so that tasks end in another order than they began."""
    about = f"{number} {WORKER} {time.time():.6f}"
    traces.rpush(BEGUN, about)
    time.sleep(random.uniform(0, 2 * seconds))
    traces.rpush(ENDED, f"{about} {time.time():.6f}")
