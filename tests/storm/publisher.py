"""Publishes the storm's tasks while it rages."""

from __future__ import annotations

import itertools
import threading
import time

from celery import Celery
from kombu.exceptions import OperationalError

THREADS = 4
#: How long one task is tried again, in seconds, before the storm is given up: longer than a broker's restart.
GIVE_UP = 120.0


class Publisher:
    """Sends tasks 0, 1, 2 … from some threads, `rate` in a second."""

    def __init__(self, app: Celery, count: int, rate: float, seconds: float) -> None:
        self._app, self._count, self._rate, self._seconds = app, count, rate, seconds
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self.confirmed = 0
        self.again: set[int] = set()  # sent again after an error: the first may have been stored
        self.error: BaseException | None = None
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(GIVE_UP)

    def _run(self) -> None:
        try:
            while (number := next(self._numbers)) < self._count:
                if self._stopping.wait(max(0.0, self._began + number / self._rate - time.monotonic())):
                    return
                self._send(number)
        except BaseException as error:  # it is shown by the thread that waits for the end
            self.error = error
            raise

    def _send(self, number: int) -> None:
        deadline = time.monotonic() + GIVE_UP
        while True:
            try:
                self._app.send_task("storm", (number, self._seconds), retry=False)
                break
            except OperationalError:
                self.again.add(number)
                if time.monotonic() > deadline or self._stopping.wait(0.2):
                    raise
        with self._lock:
            self.confirmed += 1
