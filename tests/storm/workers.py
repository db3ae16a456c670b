"""Worker processes that are killed and started again, at moments that a seed decides."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.local import children

#: A life counts from its first task, or from this long after its start in seconds, where no task came its way.
FIRST_TASK = 20.0
#: Of so many lives one counts from its start instead: kills while a worker starts or joins the group.
EARLY = 4


@dataclass(frozen=True, slots=True)
class Life:
    """Killed `seconds` after its start or its first task."""

    seconds: float
    from_start: bool


def lives(seed: int, worker: int, restarts: int, mean: float) -> list[Life]:
    """The lives of one worker that end by a kill; the same for the same seed."""
    moments = random.Random(f"{seed} {worker}")
    return [Life(moments.uniform(0, 2 * mean), moments.randrange(EARLY) == 0) for _ in range(restarts)]


class Worker:
    """One Celery worker with its pool, in its lives one after the other."""

    def __init__(self, name: str, lives: list[Life], environment: Mapping[str, str], arguments: list[str]) -> None:
        self.name = name
        self._lives = lives  # that end by a kill; the last one doesn't
        self._environment, self._arguments = environment, arguments
        self._count = 0
        self.kills: dict[str, float] = {}  # by life, on the clock
        self.deaths: list[str] = []  # that nobody ordered

    @property
    def over(self) -> bool:
        """Whether it has been killed as often as planned."""
        return not self._lives and self._plan is None

    def start(self, folder: Path) -> None:
        self._count += 1
        self._life = f"{self.name}.{self._count}"
        self._plan = self._lives.pop(0) if self._lives else None
        self._started = time.monotonic()
        self._busy_since: float | None = None
        self._folder = folder
        command = [sys.executable, "-m", "celery", "-A", "tests.storm.app", "worker", "-l", "INFO"]
        command += ["-n", f"{self.name}@storm", *self._arguments]
        environment = {**os.environ, **self._environment, "STORM_WORKER": self._life}
        with (folder / f"{self.name}.log").open("ab") as log:
            self._process: subprocess.Popen[Any] = children.spawn(
                command, at_parent_death=signal.SIGKILL, env=environment, stdout=log, stderr=log
            )

    def tend(self, busy: Container[str]) -> None:
        """Kill it when its time has come, and start it again at once; `busy` are the lives that have had a task."""
        now = time.monotonic()
        if self._busy_since is None and (self._life in busy or now - self._started > FIRST_TASK):
            self._busy_since = now
        if self._process.poll() is not None:
            self.deaths.append(f"{self._life} (exit {self._process.returncode})")
            self.start(self._folder)
        elif self._plan is not None:
            since = self._started if self._plan.from_start else self._busy_since
            if since is not None and now - since >= self._plan.seconds:
                self.kill()
                self.start(self._folder)

    def kill(self) -> None:
        """The worker and its pool at once, as a machine dies."""
        self.kills[self._life] = time.time()
        self.end()

    def end(self) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
