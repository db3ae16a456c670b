"""Ctrl-C and SIGTERM. The handler notes them and raises nothing: Python may run it where an exception would be
dropped (between a fork and its end, in a finalizer), and bin/run would go on as if nobody had asked it to stop."""

import os
import select
import signal
from collections.abc import Callable
from typing import Any


class Stop(Exception):
    """A signal asks bin/run to end; raised by check()."""


class Signals:
    """The first signal is for check() and wait(), each further one calls `again`."""

    def __init__(self, again: Callable[[], None]) -> None:
        self.asked = False
        self._again = again
        self._woken, self._waker = os.pipe()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._handle)

    def _handle(self, *_: Any) -> None:
        if self.asked:
            self._again()
        self.asked = True
        self.wake()

    def wake(self) -> None:
        """End wait(). From any thread."""
        os.write(self._waker, b"\0")

    def check(self) -> None:
        """Raises Stop once a signal has come."""
        if self.asked:
            raise Stop

    def wait(self) -> None:
        """Until wake(), or raises Stop at a signal."""
        select.select([self._woken], [], [])
        self.check()
