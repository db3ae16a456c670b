"""One measurement: a broker of a peer, a queue of its own, workers, clients and their trace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from project.local import children

from .peers import Brokers, Peer
from .trace import Event, Kind, Trace

ROOT = Path(__file__).resolve().parents[2]


class Unfinished(Exception):
    """A peer did not come to the end of a measurement in time; the message says how far it came."""


class Worker:
    """A Celery worker and its pool."""

    def __init__(self, stage: Stage, number: int, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.number = number
        command = [sys.executable, "-m", "celery", "-A", "tests.bench.app", "worker", "-l", "WARNING"]
        command += ["-n", f"w{number}@bench", *stage.peer.arguments, *arguments]
        env = {**stage.environment, **environment, "BENCH_WORKER": str(number)}
        with (stage.folder / f"w{number}.log").open("ab") as log:
            self.process = children.spawn(
                command, at_parent_death=signal.SIGKILL, env=env, cwd=ROOT, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """kill -9 of the worker and its pool at once, as a machine dies."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, grace: float = 30) -> None:
        """An ordinary stop; by force where that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def tree(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of CPU that worker and pool have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self.tree())

    def memory(self) -> float:
        """Resident megabytes of worker and pool, each on its own."""
        return sum(process.memory_info().rss for process in self.tree()) / 2**20


class Stage:
    """Use it as a context: whatever was started ends with it, and the broker is cleaned."""

    def __init__(
        self,
        brokers: Brokers,
        peer: Peer,
        name: str,
        idle_queues: int = 0,
        prefetch: int = 4,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.peer, self.brokers = peer, brokers
        self.queue = f"bench-{name}"
        self.queues = [self.queue, *(f"{self.queue}-idle-{number}" for number in range(idle_queues))]
        url = brokers.url(peer)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.trace = Trace(self.folder / "trace")
        self.environment = {
            **os.environ,
            "BENCH_BROKER": url,
            "BENCH_OPTIONS": json.dumps(dict(peer.options)),
            "BENCH_QUEUE": self.queue,
            "BENCH_IDLE_QUEUES": str(idle_queues),
            "BENCH_PREFETCH": str(prefetch),
            "BENCH_TRACE": str(self.trace.path),
            **peer.environment,
            **(environment or {}),
        }
        self.workers: list[Worker] = []
        self._clients: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exception: object) -> None:
        for client in self._clients:
            if client.poll() is None:
                client.kill()
                client.wait()
        for worker in self.workers:
            worker.kill()
        self.brokers.clean(self.peer, self.queues)
        if not os.environ.get("KEEP_BENCH"):
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()

    def worker(self, number: int = 1, *arguments: str, **environment: str) -> Worker:
        """Start a worker; the same number is the same node name."""
        worker = Worker(self, number, arguments, environment)
        self.workers.append(worker)
        return worker

    def client(self, command: str, **arguments: Any) -> subprocess.Popen[Any]:
        line = [sys.executable, "-m", "tests.bench.client", command, json.dumps(arguments)]
        with (self.folder / f"client-{len(self._clients)}.log").open("ab") as log:
            client = children.spawn(
                line, at_parent_death=signal.SIGKILL, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log
            )
        self._clients.append(client)
        return client

    def run(self, command: str, within: float = 120, **arguments: Any) -> Any:
        """The result of a client's command. Raises Unfinished."""
        return self.result(self.client(command, **arguments), within)

    def result(self, client: subprocess.Popen[Any], timeout: float = 120) -> Any:
        try:
            output, _ = client.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
            raise Unfinished(f"a client was not done within {timeout:g} s") from None
        if client.returncode:
            log = (self.folder / f"client-{self._clients.index(client)}.log").read_text().strip()
            raise Unfinished(f"a client failed: {log.splitlines()[-1] if log else client.returncode}")
        return json.loads(output)

    def warm_up(self, workers: int = 1, timeout: float = 60) -> None:
        """Return once so many workers have run a task. Raises Unfinished."""
        path = str(self.trace.path)
        ran = self.run("probes", timeout + 30, path=path, workers=workers, timeout=timeout)["workers"]
        if len(ran) < workers:
            raise Unfinished(f"only {len(ran)} of {workers} workers got tasks within {timeout:g} s")

    def ended(self, leg: int | None = None) -> list[Event]:
        return self.trace.of(Kind.ENDED, leg)

    def wait(self, done: Callable[[], bool], timeout: float, stuck: float = float("inf"), every: float = 0.05) -> bool:
        """Whether it was done within `timeout` seconds; given up too when nothing happens for `stuck` seconds."""
        deadline = time.monotonic() + timeout
        count, since = self.trace.count(), time.monotonic()
        while not done():
            now = time.monotonic()
            if self.trace.count() != count:
                count, since = self.trace.count(), now
            if now > deadline or now - since > stuck:
                return False
            time.sleep(every)
        return True


def distinct(events: Iterable[Event]) -> int:
    return len({event.number for event in events})
