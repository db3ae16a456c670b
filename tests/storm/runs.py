"""What the tasks have noted: how often each ran, and which repeats the kills explain."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

#: A task that ended this long before its worker was killed, in seconds, may still have been on its way to a commit:
#: through the pool's pipe, until the next commit is due, to the broker.
COMMIT_WINDOW = 0.25


@dataclass(slots=True)
class Run:
    """One run of one task, in one life of a worker."""

    worker: str
    begun: float
    ended: float | None = None


class Runs:
    """Reads the notes as they come. Times are the clock's, the same for all processes of the machine."""

    def __init__(self, redis: Any, begun: str, ended: str) -> None:
        self._redis = redis
        self._begun, self._ended = begun, ended
        self._read = {begun: 0, ended: 0}
        self._open: dict[tuple[str, ...], Run] = {}
        self.by_number: defaultdict[int, list[Run]] = defaultdict(list)
        self.done: set[int] = set()
        self.workers: set[str] = set()  # that have begun a task

    def refresh(self) -> int:
        """Read the news; returns how many different tasks have ended."""
        # Ends first: the begin of whatever has ended is there when it is looked for afterwards.
        ends = self._news(self._ended)
        for number, worker, when in self._news(self._begun):
            run = self._open[number, worker, when] = Run(worker, float(when))
            self.by_number[int(number)].append(run)
            self.workers.add(worker)
        for number, worker, begun, when in ends:
            self._open.pop((number, worker, begun)).ended = float(when)
            self.done.add(int(number))
        return len(self.done)

    def _news(self, key: str) -> list[list[str]]:
        lines = self._redis.lrange(key, self._read[key], -1)
        self._read[key] += len(lines)
        return [line.split() for line in lines]

    def in_flight(self, kills: dict[str, float]) -> int:
        """How many runs the kills can have cut off, or kept from being committed."""
        return sum(_cut_off(run, kills.get(run.worker)) for runs in self.by_number.values() for run in runs)

    def repeated(self) -> dict[int, list[Run]]:
        """The runs of each task that ran more than once, in order of their begin."""
        return {
            number: sorted(runs, key=lambda run: run.begun) for number, runs in self.by_number.items() if len(runs) > 1
        }

    def late(self, kills: dict[str, float]) -> int:
        """Runs that were repeated though they had ended well before their worker was killed."""
        return sum(
            _is_killed_before(following, kills.get(run.worker)) and not _cut_off(run, kills.get(run.worker))
            for runs in self.repeated().values()
            for run, following in pairwise(runs)
        )

    def unexplained(self, kills: dict[str, float]) -> dict[int, list[Run]]:
        """Tasks of which a run was followed by another while its worker was alive."""
        return {
            number: runs
            for number, runs in self.repeated().items()
            if not all(_is_killed_before(following, kills.get(run.worker)) for run, following in pairwise(runs))
        }


def _is_killed_before(run: Run, killed: float | None) -> bool:
    return killed is not None and run.begun > killed


def _cut_off(run: Run, killed: float | None) -> bool:
    return killed is not None and (run.ended is None or run.ended > killed - COMMIT_WINDOW)
