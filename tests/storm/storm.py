"""One storm: publish, kill, wait until all is done, count."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery

import project.kafka  # noqa: F401  (registers kafka://)
from tests.storm.publisher import Publisher
from tests.storm.runs import Runs
from tests.storm.workers import Worker, lives

PAUSE = 0.02
PROGRESS_EVERY = 5.0
#: How long it takes a worker to start and to get its first task, on average, in seconds. A guess.
START = 4.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The storm's size; durations in seconds."""

    messages: int = 100_000
    workers: int = 8
    partitions: int = 32
    restarts: int = 16
    life: float = 6.0  # of a worker between its first task and its kill, on average
    task: float = 0.005  # on average
    seed: int = 1
    broker_kills: int = 0
    pool: str = "prefork"
    concurrency: int = 2
    patience: float = 120.0  # without any progress, then what is missing counts as lost
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> float:
        """How long the kills go on, about: tasks are published over that time."""
        return self.restarts * (self.life + START)


@dataclass(slots=True)
class Outcome:
    """What came of it. Tasks that were published again after an error count as repeated only in `published_again`."""

    plan: Plan
    published: int
    published_again: int
    lost: list[int]
    left: int  # in the queue, at the end
    dead: int  # in the dead letters
    kills: int
    broker_kills: int
    repeated_tasks: int
    repeated_runs: int
    in_flight: int
    oldest: float  # how long before its worker's kill the oldest repeated task had ended
    late: int  # repeated runs that had ended longer than COMMIT_WINDOW before the kill
    unexplained: dict[int, list[Any]]
    deaths: list[str]
    storm_seconds: float
    seconds: float

    @property
    def good(self) -> bool:
        return not self.lost and not self.left and not self.dead and not self.deaths


class Storm:
    """Runs a plan on a broker and a Redis; the workers' logs go to `folder`."""

    def __init__(self, plan: Plan, bootstrap: str, redis_url: str, queue: str, folder: Path) -> None:
        self.plan, self._folder, self._queue = plan, folder, queue
        options = {**plan.options, "partitions": plan.partitions, "group_id": queue}
        environment = {
            "STORM_BROKER": f"kafka://{bootstrap}",
            "STORM_REDIS": redis_url,
            "STORM_QUEUE": queue,
            "STORM_OPTIONS": json.dumps(options),
        }
        self._app = Celery("storm-publisher", broker=environment["STORM_BROKER"], set_as_current=False)
        self._app.conf.update(broker_transport_options=options, task_default_queue=queue, task_ignore_result=True)
        traces = redis.Redis.from_url(redis_url, decode_responses=True)
        self.runs = Runs(traces, f"{queue}:begun", f"{queue}:ended")
        arguments = ["--pool", plan.pool, "-c", str(plan.concurrency)]
        self._workers = [
            Worker(f"w{n + 1}", lives(plan.seed, n, plan.restarts, plan.life), environment, arguments)
            for n in range(plan.workers)
        ]
        # The last tasks are published while the last workers are killed.
        self._publisher = Publisher(self._app, plan.messages, plan.messages / max(plan.length, 1.0), plan.task)
        #: After how many kills of workers the broker is killed.
        self._broker_kills = broker_kills(plan)

    def run(self, restart_broker: Callable[[], None] | None = None) -> Outcome:
        """Raises what made the publisher fail. `restart_broker` kills the broker and starts it again."""
        began = time.monotonic()
        with self._app.connection_for_write() as connection:
            self._app.amqp.queues[self._queue](connection.default_channel).declare()
        try:
            for worker in self._workers:
                worker.start(self._folder)
            self._publisher.start()
            storm_over = self._rage(began, restart_broker)
            self._wait_until_empty()
            ended = time.monotonic()
        finally:
            self._publisher.stop()
            for worker in self._workers:
                worker.end()
        return self._outcome(storm_over - began, ended - began)

    def _rage(self, began: float, restart_broker: Callable[[], None] | None) -> float:
        """Until all is done, or nothing happens any more; returns when the last kill was."""
        storm_over = progress_at = told_at = began
        done = 0
        while self._publisher.error is None:
            for worker in self._workers:
                worker.tend(self.runs.workers)
            if restart_broker is not None and self._broker_kills and self._kills() > self._broker_kills[0]:
                self._broker_kills.pop(0)
                restart_broker()
            now = time.monotonic()
            raging = not all(worker.over for worker in self._workers)
            if raging:
                storm_over = now
            if (more := self.runs.refresh()) > done or raging:
                done, progress_at = more, now
            if now - told_at > PROGRESS_EVERY:
                told_at = now
                self._tell(now - began, done)
            if not raging and done >= self.plan.messages:
                return storm_over
            if now - progress_at > self.plan.patience:
                return storm_over
            time.sleep(PAUSE)
        raise RuntimeError("the publisher gave up") from self._publisher.error

    def _wait_until_empty(self) -> None:
        """What is done is committed within moments; what is lost never is, so not for ever."""
        deadline = time.monotonic() + self.plan.patience
        while self._length(self._queue) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.runs.refresh()

    def _length(self, queue: str) -> int:
        with self._app.connection_for_read() as connection:
            size: int = connection.default_channel._size(queue)
            return size

    def _kills(self) -> int:
        return sum(len(worker.kills) for worker in self._workers)

    def _tell(self, seconds: float, done: int) -> None:
        text = f"{seconds:5.0f} s: {self._publisher.confirmed} published, {done} done, {self._kills()} kills"
        print(text, file=sys.stderr, flush=True)

    def _outcome(self, storm_seconds: float, seconds: float) -> Outcome:
        kills = {life: when for worker in self._workers for life, when in worker.kills.items()}
        again = self._publisher.again
        repeated = {number: runs for number, runs in self.runs.repeated().items() if number not in again}
        before = [
            kills[run.worker] - run.ended
            for runs in repeated.values()
            for run in runs[:-1]
            if run.ended is not None and run.worker in kills
        ]
        unexplained = {number: runs for number, runs in self.runs.unexplained(kills).items() if number not in again}
        return Outcome(
            plan=self.plan,
            published=self._publisher.confirmed,
            published_again=len(again),
            lost=sorted(set(range(self._publisher.confirmed)) - self.runs.done),
            left=self._length(self._queue),
            dead=self._length(f"{self._queue}.dead"),
            kills=len(kills),
            broker_kills=self.plan.broker_kills - len(self._broker_kills),
            repeated_tasks=len(repeated),
            repeated_runs=sum(len(runs) - 1 for runs in repeated.values()),
            in_flight=self.runs.in_flight(kills),
            oldest=max(before, default=0.0),
            late=self.runs.late(kills),
            unexplained=unexplained,
            deaths=[death for worker in self._workers for death in worker.deaths],
            storm_seconds=storm_seconds,
            seconds=seconds,
        )


def broker_kills(plan: Plan) -> list[int]:
    moments = random.Random(f"{plan.seed} broker")
    return sorted(moments.choices(range(plan.workers * plan.restarts), k=plan.broker_kills))
