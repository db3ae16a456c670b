"""Real worker processes on real brokers: nothing is lost whatever dies, and work is shared."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, chain


class Rig:
    """Workers of tests/kafka/app.py on one broker, with queues of their own."""

    def __init__(self, url: str, options: dict[str, Any], redis_url: str, queue: str, logs: Path) -> None:
        self.environment = {
            "TEST_BROKER": url,
            "TEST_OPTIONS": json.dumps({**options, "group_id": queue}),
            "TEST_REDIS": redis_url,
            "TEST_QUEUE": queue,
        }
        self.queue, self.logs = queue, logs
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self.workers: list[subprocess.Popen[Any]] = []
        self.app = Celery("client", broker=url, backend=redis_url)
        self.app.conf.broker_transport_options = json.loads(self.environment["TEST_OPTIONS"])
        self.app.conf.task_default_queue = queue
        self.app.conf.task_routes = {"second": {"queue": f"{queue}-second"}}
        self.trace = self.app.signature("trace")
        #: The application of the workers.
        self.module = "tests.kafka.app"

    def start(self, name: str, *arguments: str) -> subprocess.Popen[Any]:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            self.module,
            "worker",
            "-n",
            f"{name}@test",
            "-l",
            "INFO",
            "-c",
            "2",
            *arguments,
        ]
        with (self.logs / f"{name}.log").open("ab") as log:
            worker = subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(worker)
        return worker

    def celery(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """`celery …` as a user types it."""
        command = [sys.executable, "-m", "celery", "-A", self.module, *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)

    def notes(self) -> list[str]:
        """What tasks of features.py said."""
        return [str(line) for line in self.redis.lrange(f"{self.queue}:notes", 0, -1)]

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()

    def kill(self, worker: subprocess.Popen[Any]) -> None:
        """The worker and its pool at once, as a machine dies."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def stop(self, worker: subprocess.Popen[Any]) -> None:
        worker.terminate()
        worker.wait(60)

    def wait_member(self, name: str) -> None:
        """Until a worker has partitions of the queue."""
        got = re.compile(rf" {self.queue}: got [1-9]")
        self.wait_for(lambda: got.search(self.log(name)) is not None)

    def traces(self, kind: str) -> list[tuple[int, int]]:
        """(number, pid of the worker) of each task that has begun or ended."""
        lines = self.redis.lrange(f"{self.queue}:{kind}", 0, -1)
        return [(int(number), int(pid)) for number, pid in (line.split() for line in lines)]

    def wait_for(self, what: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                logs = "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in self.logs.iterdir())
                raise AssertionError(f"not within {seconds} s; {len(self.traces('ended'))} ended\n{logs}")
            time.sleep(0.05)

    def wait_ended(self, count: int, seconds: float = 60) -> Counter[int]:
        """How often each task ended, once `count` different ones have."""
        self.wait_for(lambda: len({number for number, _ in self.traces("ended")}) >= count, seconds)
        return Counter(number for number, _ in self.traces("ended"))

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                self.kill(worker)
        self.app.close()


@pytest.fixture
def rig(broker: tuple[str, dict[str, Any]], redis_server: str, name: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(*broker, redis_server, name, tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_chains_run_across_queues_beside_idle_ones(rig: Rig, pool: str) -> None:
    rig.start("w1", "--pool", pool)
    results = [chain(rig.trace.clone((number,)), rig.app.signature("second"))() for number in range(20)]
    assert [result.get(timeout=60) for result in results] == list(range(20))
    assert Counter(number for number, _ in rig.traces("ended")) == Counter(range(20))


def test_workers_share_a_queue_and_a_warm_stop_repeats_nothing(rig: Rig) -> None:
    first, second = rig.start("w1"), rig.start("w2")
    rig.wait_member("w1")
    rig.wait_member("w2")
    for number in range(200):
        rig.trace.clone((number, 0.05)).apply_async()
    rig.wait_for(lambda: len(rig.traces("ended")) > 40)
    rig.stop(second)
    assert rig.wait_ended(200) == Counter(range(200))
    assert {pid for _, pid in rig.traces("ended")} == {first.pid, second.pid}


def test_a_killed_worker_loses_nothing_and_repeats_only_what_was_in_flight(rig: Rig) -> None:
    worker = rig.start("w1")
    for number in range(200):
        rig.trace.clone((number, 0.02)).apply_async()
    rig.wait_for(lambda: len(rig.traces("ended")) > 50)
    rig.kill(worker)
    rig.start("w1")
    ended = rig.wait_ended(200)
    assert set(ended) == set(range(200))
    # 2 running, 8 prefetched, and what ended within the last commit interval.
    assert sum(ended.values()) - 200 <= 16, ended


def test_another_worker_takes_over_from_a_killed_one(rig: Rig) -> None:
    victim = rig.start("w1")
    rig.start("w2")
    rig.wait_member("w1")
    rig.wait_member("w2")
    for number in range(100):
        rig.trace.clone((number, 0.05)).apply_async()
    rig.wait_for(lambda: len(rig.traces("ended")) > 10)
    rig.kill(victim)
    assert set(rig.wait_ended(100)) == set(range(100))


def test_a_task_whose_process_dies_runs_again(rig: Rig) -> None:
    rig.start("w1")
    rig.app.signature("die_once", (7,)).apply_async()
    assert rig.wait_ended(1) == Counter([7])
    assert int(rig.redis.get(f"{rig.queue}:tries:7") or 0) == 2


def test_a_worker_waits_for_a_broker_that_is_not_there_yet_in_one_line_each(
    redis_server: str, name: str, tmp_path: Path
) -> None:
    rig = Rig("kafka://127.0.0.1:1", {"connect_timeout": 1.0}, redis_server, name, tmp_path)
    worker = rig.start("w1")
    rig.wait_for(lambda: "Trying again" in rig.log("w1"))
    rig.stop(worker)
    assert "no Kafka broker is there: 127.0.0.1:1: Connection refused" in rig.log("w1")
    assert "Traceback" not in rig.log("w1")
