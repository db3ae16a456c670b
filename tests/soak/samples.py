"""What each process of the service takes, again and again, and whether it grows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psutil

from tests.chaos.parts import Part

HEADINGS = ("process", "memory, MB", "files", "threads", "verdict")
#: Of a run's samples the first part is warming up: caches fill, code is loaded.
WARMING_UP = 0.25
#: The rest in two halves, of which the later one may have so much more: memory (a part of it, and MB), files, threads.
MEMORY_SHARE, MEMORY_MB, FILES, THREADS = 0.05, 2.0, 2, 1


@dataclass(frozen=True)
class Sample:
    #: What this process alone holds, in MB.
    memory: float
    files: int
    threads: int


@dataclass
class Process:
    """One process in all of its samples; `gone` where it ended before the run did."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    gone: bool = False

    def cells(self) -> list[str]:
        before, after = halves(self.samples)
        memory = f"{median(one.memory for one in before):.1f} → {median(one.memory for one in after):.1f}"
        files = f"{most(one.files for one in before)} → {most(one.files for one in after)}"
        threads = f"{most(one.threads for one in before)} → {most(one.threads for one in after)}"
        return [self.name, memory, files, threads, ", ".join(self.growth()) or "flat"]

    def growth(self) -> list[str]:
        """What is wrong with it."""
        before, after = halves(self.samples)
        memory = median(one.memory for one in before)
        wrong = {
            "ended": self.gone,
            "memory grows": median(one.memory for one in after) > memory * (1 + MEMORY_SHARE) + MEMORY_MB,
            "files grow": most(one.files for one in after) > most(one.files for one in before) + FILES,
            "threads grow": most(one.threads for one in after) > most(one.threads for one in before) + THREADS,
        }
        return [what for what, is_so in wrong.items() if is_so]


def halves(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    begin = int(len(samples) * WARMING_UP)
    middle = begin + (len(samples) - begin) // 2
    return samples[begin:middle], samples[middle:]


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values) or [0.0])


def most(values: Iterable[int]) -> int:
    return max(values, default=0)


class Watch:
    """Of all processes of all parts; a process that a part starts later is watched from then on."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = list(parts)
        self._seen: dict[psutil.Process, Process] = {}

    def look(self) -> None:
        alive = set()
        for part in self._parts:
            main = psutil.Process(part.process.pid)
            for number, process in enumerate([main, *main.children(recursive=True)]):
                if process not in self._seen:
                    self._seen[process] = Process(f"{part.name} {number}" if number else part.name)
                try:
                    self._seen[process].samples.append(sample(process))
                    alive.add(process)
                except psutil.NoSuchProcess:
                    continue
        for process, row in self._seen.items():
            row.gone = process not in alive

    def processes(self) -> list[Process]:
        """Those that lived for more than a moment."""
        longest = most(len(one.samples) for one in self._seen.values())
        return [one for one in self._seen.values() if len(one.samples) > longest // 10]


def sample(process: psutil.Process) -> Sample:
    with process.oneshot():
        return Sample(process.memory_full_info().uss / 1e6, process.num_fds(), process.num_threads())
