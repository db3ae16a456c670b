"""How Celery's tasks ended, and how long they took: counted in the processes that run them, by Celery's signals."""

import time
from typing import Any

from celery import signals
from prometheus_client import Counter, Histogram

TASKS = Counter(
    "celery_tasks", "Tasks that ended, by state; RETRY is an end that is followed by another run.", ["task", "state"]
)
SECONDS = Histogram(
    "celery_task_seconds",
    "How long tasks ran.",
    ["task"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

_began: dict[str, float] = {}


@signals.task_prerun.connect(dispatch_uid="project.metrics.begin")
def begin(task_id: str = "", **_: Any) -> None:
    _began[task_id] = time.monotonic()


@signals.task_postrun.connect(dispatch_uid="project.metrics.end")
def end(task_id: str = "", task: Any = None, state: str | None = None, **_: Any) -> None:
    name = getattr(task, "name", "unknown")
    TASKS.labels(name, state or "UNKNOWN").inc()
    if (began := _began.pop(task_id, None)) is not None:
        SECONDS.labels(name).observe(time.monotonic() - began)
