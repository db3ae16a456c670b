"""Real worker processes on a real broker, and what they leave in Redis."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import redis
from celery import Celery


class Rig:
    """Workers of tests/kafka/app.py on one broker, with queues of their own."""

    #: Those that aren't closed yet: their clients are in use.
    living: ClassVar[set[Rig]] = set()

    def __init__(self, url: str, options: dict[str, Any], redis_url: str, queue: str, logs: Path) -> None:
        self.environment = {
            "TEST_BROKER": url,
            "TEST_OPTIONS": json.dumps({**options, "group_id": queue}),
            "TEST_REDIS": redis_url,
            "TEST_QUEUE": queue,
        }
        self.url, self.queue, self.logs = url, queue, logs
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self.workers: list[subprocess.Popen[Any]] = []
        self.app = Celery("client", broker=url, backend=redis_url, set_as_current=False)
        self.app.conf.broker_transport_options = json.loads(self.environment["TEST_OPTIONS"])
        self.app.conf.task_default_queue = queue
        self.app.conf.task_routes = {"second": {"queue": f"{queue}-second"}}
        self.trace = self.app.signature("trace")
        self.living.add(self)
        #: The application of the workers.
        self.module = "tests.kafka.app"

    def start(self, name: str, *arguments: str) -> subprocess.Popen[Any]:
        command = [sys.executable, "-m", "celery", "-A", self.module, "worker", "-l", "INFO"]
        command += ["-n", f"{name}@test", "-c", "2", *arguments]
        with (self.logs / f"{name}.log").open("ab") as log:
            worker = subprocess.Popen(
                command, env=self.process_environment(), stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(worker)
        return worker

    def celery(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """`celery …` as a user types it."""
        command = [sys.executable, "-m", "celery", "-A", self.module, *arguments]
        return subprocess.run(
            command, env=self.process_environment(), capture_output=True, text=True, timeout=timeout, check=False
        )

    def process_environment(self) -> dict[str, str]:
        """Without this test run's Django settings: Celery would load them into each process."""
        return (
            {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
            | {"PYTHONFAULTHANDLER": "1"}  # what crashes says where
            | self.environment
        )

    def notes(self) -> list[str]:
        """What tasks of features.py said."""
        return [str(line) for line in self.redis.lrange(f"{self.queue}:notes", 0, -1)]

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()

    def logs_of_all(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in self.logs.iterdir())

    def kill(self, worker: subprocess.Popen[Any]) -> None:
        """The worker and its pool at once, as a machine dies."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def stop(self, worker: subprocess.Popen[Any]) -> None:
        worker.terminate()
        assert worker.wait(60) == 0, f"the worker didn't end in order\n{self.logs_of_all()}"

    def wait_member(self, name: str) -> None:
        """Until a worker has partitions of the queue."""
        got = re.compile(rf" {self.queue}: got [1-9]")
        self.wait_for(lambda: got.search(self.log(name)) is not None)

    def traces(self, kind: str) -> list[tuple[int, int]]:
        """(number, pid of the worker) of each task that has begun or ended."""
        lines = self.redis.lrange(f"{self.queue}:{kind}", 0, -1)
        return [(int(number), int(pid)) for number, pid in (line.split() for line in lines)]

    def wait_for(self, what: Callable[[], bool], seconds: float = 90, every: float = 0.05) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; {len(self.traces('ended'))} ended\n{self.logs_of_all()}")
            time.sleep(every)

    def wait_ended(self, count: int, seconds: float = 90) -> Counter[int]:
        """How often each task ended, once `count` different ones have."""
        self.wait_for(lambda: len({number for number, _ in self.traces("ended")}) >= count, seconds)
        return Counter(number for number, _ in self.traces("ended"))

    def share_until_one_stops(self, seconds: float = 90) -> Counter[int]:
        """How often each of 200 tasks ended that two workers shared, one of which stopped in the ordinary way."""
        first, second = self.start("w1"), self.start("w2")
        self.wait_member("w1")
        self.wait_member("w2")
        for number in range(200):
            self.trace.clone((number, 0.05)).apply_async()
        self.wait_for(lambda: len(self.traces("ended")) > 40)
        self.stop(second)
        ended = self.wait_ended(200, seconds)
        assert {pid for _, pid in self.traces("ended")} == {first.pid, second.pid}
        return ended

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                self.kill(worker)
        self.app.pool.force_close_all()
        self.app.close()
        self.living.discard(self)
