"""A file that says that a worker, beat or the relay is at work. READY_FILE names it; bin/run and health checks look."""

import os
from pathlib import Path
from typing import Any

from celery import signals


def _file() -> Path | None:
    name = os.environ.get("READY_FILE", "")
    return Path(name) if name else None


@signals.celeryd_init.connect(dispatch_uid="project.ready.begin")
def begin(**_: Any) -> None:
    """A file of an earlier process says nothing of this one."""
    if file := _file():
        file.unlink(missing_ok=True)


@signals.worker_ready.connect(dispatch_uid="project.ready.worker")
@signals.beat_init.connect(dispatch_uid="project.ready.beat")
def ready(**_: Any) -> None:
    if file := _file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{os.getpid()}\n")
