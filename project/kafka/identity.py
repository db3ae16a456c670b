"""Which worker this process is. A worker that comes back under its name has its partitions again at once.

kombu never hears a worker's name, Celery's signals tell it. Only a worker's members are static: clients that consume,
and a second member of the same group in one process, have no name of their own.
"""

from __future__ import annotations

import sys
import threading
from typing import Any


class InstanceIds:
    """This process' name, given to one member of each group at a time."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._claimed: set[str] = set()
        self._lock = threading.Lock()

    def on_worker(self, sender: str, **signal: Any) -> None:
        """Celery's `celeryd_init`: this process is the worker `sender`."""
        self._name = sender

    def claim(self, group: str) -> str | None:
        """The name for a new member of the group, until `free`; None where it has to do without."""
        with self._lock:
            if self._name is None or group in self._claimed:
                return None
            self._claimed.add(group)
            return self._name

    def free(self, group: str) -> None:
        with self._lock:
            self._claimed.discard(group)


instance_ids = InstanceIds()


def listen() -> None:
    """Learn the name from Celery, where this is a process of Celery's: importing it costs others Django."""
    if "celery" in sys.modules:
        from celery.signals import celeryd_init

        celeryd_init.connect(instance_ids.on_worker, weak=False)
