"""Is it working? What the status page and the admin's dashboard both tell, each part None where it can't be told."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from django.db import DatabaseError

from notifier import figures
from notifier.figures import ErrorCount, Hour, Latency, People
from project import pipeline
from rates.status import Status, status

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds that figures of the database serve.
KEEP = 5.0


@dataclass(frozen=True, slots=True)
class LogFigures:
    """Of the request log: what is on its way by state; the times and errors of the last day."""

    unfinished: dict[str, int]
    latency: Latency | None
    errors: list[ErrorCount]


@dataclass(frozen=True, slots=True)
class Glance:
    queues: pipeline.Queues | None
    workers: list[pipeline.Worker] | None
    sheet: Status | None
    log: LogFigures | None


class Kept(Generic[T]):
    """Figures of the database, asked by one thread at a time; the others see the last ones meanwhile."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._last: tuple[float, T] | None = None

    def get(self) -> T | None:
        """None where the database is away."""
        last = self._last
        if last is not None and (monotonic() - last[0] < KEEP or self._lock.locked()):
            return last[1]
        with self._lock:
            try:
                answer = self._ask()
            except DatabaseError as error:
                log.warning("no figures: %s", error)
                return None
            self._last = (monotonic(), answer)
            return answer

    def forget(self) -> None:
        self._last = None


def _log_figures() -> LogFigures:
    return LogFigures(figures.unfinished(), figures.latency(), figures.errors())


sheet: Kept[Status] = Kept(status)
log_figures: Kept[LogFigures] = Kept(_log_figures)
people: Kept[People] = Kept(figures.people)
hours: dict[int, Kept[list[Hour]]] = {
    24: Kept(lambda: figures.per_hour(24)),
    48: Kept(lambda: figures.per_hour(48)),
}


def glance() -> Glance:
    """All of it; the brokers and workers are asked at the same time."""
    for source in (pipeline.queues, pipeline.workers):
        source.begin()
    return Glance(
        queues=pipeline.queues.get(), workers=pipeline.workers.get(), sheet=sheet.get(), log=log_figures.get()
    )


def forget() -> None:
    """Ask everything anew, for tests."""
    sheet.forget()
    log_figures.forget()
    people.forget()
    for kept in hours.values():
        kept.forget()
    pipeline.queues.forget()
    pipeline.workers.forget()
    pipeline.dead_letters.forget()
