"""A file that says that a process is at work: READY_FILE names it; bin/run and the health checks look at it.

It is made when the process has begun its work, and touched by the very loop that does this work: a process that hangs
is one whose file grows old (`bin/start health`, HEALTH_MAX_AGE_SECONDS).
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from celery import bootsteps, signals

log = logging.getLogger(__name__)

#: Between two touches, in seconds.
BEAT_SECONDS = 5.0


def _file() -> Path | None:
    name = os.environ.get("READY_FILE", "")
    return Path(name) if name else None


_touched = float("-inf")


def touch() -> None:
    """This process is at work, now; as often as one likes, it is written down every few seconds.

    A folder that can't be written to is logged: the check fails, not the work.
    """
    global _touched
    now = time.monotonic()
    if now - _touched < BEAT_SECONDS - 1 or not (file := _file()):
        return
    _touched = now
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{os.getpid()}\n")
    except OSError as error:
        log.warning("READY_FILE can't be written: %s", error)


@signals.celeryd_init.connect(dispatch_uid="project.ready.begin")
def begin(**_: Any) -> None:
    """A file of an earlier process says nothing of this one."""
    if file := _file():
        file.unlink(missing_ok=True)


@signals.worker_ready.connect(dispatch_uid="project.ready.worker")
@signals.beat_init.connect(dispatch_uid="project.ready.beat")
def ready(**_: Any) -> None:
    touch()


class Heartbeat(bootsteps.StartStopStep):
    """A worker's: by the timer of its event loop, from the moment when it consumes."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        self._timer = parent.timer.call_repeatedly(BEAT_SECONDS, self._beat)

    def stop(self, parent: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        if (file := _file()) and file.exists():  # not before worker_ready
            touch()


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """The heartbeat of a process that is one asyncio loop, for the block."""

    async def beat() -> None:
        while True:
            touch()
            await asyncio.sleep(BEAT_SECONDS)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
