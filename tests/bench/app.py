"""The Celery application of every peer; the environment says which broker, and the rest is the same for all."""

from __future__ import annotations

import json
import os
import time

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

import project.kafka  # noqa: F401  (registers kafka://)

from .trace import Kind, Writer

TRANSPORT_ALIASES["ceiling"] = "tests.bench.ceiling:Transport"

QUEUE = os.environ.get("BENCH_QUEUE", "bench")
IDLE_QUEUES = int(os.environ.get("BENCH_IDLE_QUEUES", "0"))

app = Celery("bench", broker=os.environ.get("BENCH_BROKER"))
app.conf.update(
    broker_transport_options=json.loads(os.environ.get("BENCH_OPTIONS", "{}")),
    broker_connection_retry_on_startup=True,
    # Each of sixteen publishing threads has its connection; Celery's ten would measure the wait for one.
    broker_pool_limit=32,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue=QUEUE,
    task_queues={QUEUE: {}, **{f"{QUEUE}-idle-{number}": {} for number in range(IDLE_QUEUES)}},
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")),
    worker_enable_remote_control=os.environ.get("BENCH_REMOTE_CONTROL", "1") == "1",
    worker_hijack_root_logger=False,
)
trace = Writer(os.environ.get("BENCH_TRACE", os.devnull), int(os.environ.get("BENCH_WORKER", "0")))


@app.task(name="noop")
def noop(number: int) -> None:
    trace.write(Kind.ENDED, number)


@app.task(name="work")
def work(number: int, seconds: float, leg: int = 0) -> None:
    trace.write(Kind.BEGUN, number, leg)
    if seconds:
        time.sleep(seconds)
    trace.write(Kind.ENDED, number, leg)


@app.task(name="probe")
def probe() -> None:
    """Tells that its worker gets tasks. It takes a moment, so that one worker doesn't take them all."""
    time.sleep(0.05)
    trace.write(Kind.PROBE, 0)
