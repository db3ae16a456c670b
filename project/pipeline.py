"""How the pipeline is, for pages: what waits in the queues, which workers are there, what died.

Each source is asked in a thread of its own, one question at a time, and what it told is kept for a few seconds: a page
costs the brokers nothing under load, and a source that doesn't answer makes no page wait for it.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from celery import current_app
from kombu.exceptions import ChannelError, KombuError
from redis.exceptions import RedisError

from project.kafka.dead import Letter
from project.kafka.errors import ConfigurationError, Refused
from project.kafka.operate import connected

log = logging.getLogger(__name__)

T = TypeVar("T")

# What a source raises where it is away, or isn't what this project runs on.
AWAY = (KombuError, ChannelError, ConfigurationError, Refused, RedisError, OSError)
# Seconds: how old an answer is when it is asked anew; until when it serves meanwhile, so that hardly a page waits;
# and how long a page waits where there is none.
KEEP = 5.0
SERVES = 20.0
PATIENCE = 3.0
# Workers answer within milliseconds, busy ones too.
INSPECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Queue:
    """`lag`: tasks that are not finished, those that run now among them."""

    name: str
    lag: int
    partitions: int


@dataclass(frozen=True, slots=True)
class Queues:
    """What the brokers tell. `dead` is how many dead letters there are, `delayed` what waits for its time."""

    queues: list[Queue]
    dead: int
    delayed: int


@dataclass(frozen=True, slots=True)
class Worker:
    """`name` is the worker's part before the host; `running` are its tasks just now."""

    name: str
    host: str
    running: int


class Source(Generic[T]):
    """Something that may take its time to answer. Safe to share among threads."""

    def __init__(self, name: str, ask: Callable[[], T], patience: float = PATIENCE) -> None:
        self._name, self._ask, self._patience = name, ask, patience
        self._lock = threading.Lock()
        self._running: Future[T | None] | None = None
        self._answer: T | None = None
        self._answered = -SERVES

    def get(self) -> T | None:
        """What it answers, or has answered just now; None where it can't or takes too long."""
        running = self.begin()
        with self._lock:
            if self._answer is not None and monotonic() - self._answered < SERVES:
                return self._answer
        if running is None:
            return None
        try:
            return running.result(self._patience)
        except NotYet:
            log.warning("%s: no answer within %g s", self._name, self._patience)
            return None

    def begin(self) -> "Future[T | None] | None":
        """Ask where the last answer is too old and nobody else does; the question that runs, if one does."""
        with self._lock:
            if self._running is None and monotonic() - self._answered > KEEP:
                self._running = Future()
                threading.Thread(target=self._run, args=(self._running,), name=self._name, daemon=True).start()
            return self._running

    def forget(self) -> None:
        """Ask anew next time: what was asked has just been changed."""
        with self._lock:
            self._running, self._answer, self._answered = None, None, -SERVES

    def _run(self, question: "Future[T | None]") -> None:
        answer = None
        try:
            answer = self._ask()
        except AWAY as error:
            log.warning("%s: %s", self._name, error)
        finally:  # whatever has happened, nobody waits for this thread any more
            with self._lock:
                if self._running is question:
                    self._running, self._answer, self._answered = None, answer, monotonic()
            question.set_result(answer)


def _ask_queues() -> Queues:
    with connected(current_app) as brokers:
        topics = brokers.topics()
    lengths = {kind: sum(row.length for row in topics if row.kind == kind) for kind in ("dead letters", "delay")}
    found: dict[str, Queue] = {}
    for row in topics:  # a queue with priorities has a topic for each
        if row.kind == "queue" and row.queue is not None:
            before = found.get(row.queue, Queue(row.queue, 0, 0))
            found[row.queue] = Queue(row.queue, before.lag + row.length, before.partitions + row.partitions)
    return Queues(sorted(found.values(), key=lambda queue: queue.name), lengths["dead letters"], lengths["delay"])


def _ask_workers() -> list[Worker]:
    told = current_app.control.inspect(timeout=INSPECT_SECONDS).active() or {}
    names = [(*name.partition("@"), len(tasks)) for name, tasks in sorted(told.items())]
    return [Worker(name, host, running) for name, _, host, running in names]


def _ask_dead() -> list[Letter]:
    with connected(current_app) as brokers:
        return brokers.dead_letters()


queues = Source("queues", _ask_queues)
workers = Source("workers", _ask_workers)
# Reading them takes longer than counting them.
dead_letters = Source("dead letters", _ask_dead, patience=20.0)


def replay(ids: list[str]) -> list[str]:
    """Send these dead letters again; returns the ids of those that were. Raises what AWAY has."""
    try:
        with connected(current_app) as brokers:
            return [letter.id for letter in brokers.dead.replay(brokers.dead.find(ids))]
    finally:
        dead_letters.forget()
        queues.forget()


def drop(ids: list[str]) -> None:
    """Delete these dead letters for good. Raises what AWAY has."""
    try:
        with connected(current_app) as brokers:
            brokers.dead.drop(brokers.dead.find(ids))
    finally:
        dead_letters.forget()
        queues.forget()
