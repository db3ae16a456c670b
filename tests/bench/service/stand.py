"""One side at work: its processes between clients and Bot API, started anew for each round."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import redis

from project.local import children, ports
from project.local.plan import Plan
from tests.bench.stage import Unfinished
from tests.bench.trace import Trace
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN

from .servers import ROOT, Servers, peers_python
from .sides import Side
from .written import written

READY_SECONDS = 120
WARM_UP = 48
CLIENTS = 16


@dataclass(frozen=True)
class Flow:
    """So many requests by sixteen clients, each once: `seconds` of each POST, messages until the last one."""

    seconds: list[float]
    post_rate: float
    message_rate: float
    #: For one request: seconds of CPU of each part, by its name, and what was written (written.py).
    cpu: dict[str, float]
    written: dict[str, float]


def service_settings() -> dict[str, str]:
    """As bin/run sets them: anybody may ask, as often as they like."""
    return {
        "ENV_FILES": "",
        "SECRET_KEY": "only-for-this-run-and-long-enough-for-all-checks-of-it",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "ALLOW_ANONYMOUS_REQUESTS": "true",
        "THROTTLE_TELEGRAM_ID": "",
    }


def service_environment(**more: str) -> dict[str, str]:
    """For a command of the service's."""
    return {**os.environ, **service_settings(), **more}


class Stand:
    """Use it as a context: whatever was started ends with it. Raises Absent, Unfinished."""

    def __init__(self, servers: Servers, side: Side, count: int, **environment: str) -> None:
        self.servers, self.side, self._count, self._more = servers, side, count, environment
        self._stack = contextlib.ExitStack()
        self.parts: dict[str, subprocess.Popen[Any]] = {}
        self._next = 1000
        self._stuck = False

    def __enter__(self) -> Stand:
        try:
            self._start()
        except BaseException:  # also Ctrl-C: nothing may be left behind
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-service-"))
        self._stack.callback(self._remove_logs)
        self.trace = Trace(self.folder / "trace")
        self.port = ports.free_port()
        self.environment = {**self._common(), **self._own()}
        for name, command in self.commands().items():
            self.start(name, command)
        self.until(lambda: ports.answers("127.0.0.1", self.port), READY_SECONDS, "web does not answer")
        # Workers may still be joining their groups.
        self.flow_of(WARM_UP, READY_SECONDS, READY_SECONDS)

    def _remove_logs(self) -> None:
        if not self._stuck and not os.environ.get("KEEP_BENCH"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _common(self) -> dict[str, str]:
        side, servers = self.side, self.servers
        self._broker = servers.url(side)
        cbr = self._stack.enter_context(CbrStandin())
        redis.Redis.from_url(servers.redis_url).flushdb()
        redis.Redis.from_url(servers.redis_url).set("USD", "75.5273")
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "BENCH_TRACE": str(self.trace.path),
            "REDIS_URL": servers.redis_url,
            "KAFKA_BOOTSTRAP_SERVERS": servers.address(side),
            "CBR_URL": cbr.url,
            "BOT_TOKEN": TOKEN,
            **side.environment,
            **self._more,
        }
        environment["TELEGRAM_API_URL"] = f"http://127.0.0.1:{self._bot_api(environment)}"
        if side.broker in ("kafka", "tansu"):
            self._stack.callback(servers.drop_topics, side)
        return environment

    def _bot_api(self, environment: dict[str, str]) -> int:
        process = self.start("botapi", [sys.executable, "-m", "tests.bench.service.botapi"], environment)
        log = self.folder / "botapi.log"
        self.until(lambda: "\n" in log.read_text(), READY_SECONDS, "the Bot API's stand-in does not start")
        assert process.poll() is None
        return int(log.read_text())

    def _own(self) -> dict[str, str]:
        """What the design needs beside."""
        mark = uuid.uuid4().hex[:8]
        if self.side.design != "project":
            topics = [f"requests-{mark}", f"messages-{mark}"]
            self.servers.make_topics(self.side, topics)
            return {"BENCH_TOPICS": ",".join(topics)}
        url = self._stack.enter_context(self.servers.database(self.side.database))
        own = {**service_settings(), "PORT": str(self.port), "DATABASE_URL": url}
        options = dict(self.side.options)
        if self.side.scheme == "kafka":
            return {**own, "KAFKA_TRANSPORT_OPTIONS": json.dumps({**options, "topic_prefix": f"{mark}."})}
        foreign = {"BENCH_BROKER": self._broker, "BENCH_OPTIONS": json.dumps(options)}
        return {**own, **foreign, "DJANGO_SETTINGS_MODULE": "tests.bench.service.settings"}

    def commands(self) -> dict[str, list[str]]:
        if self.side.design != "project":
            python, module = peers_python(), f"tests.bench.service.{self.side.design}"
            web = [python, "-m", "uvicorn", f"{module}:app", "--host", "127.0.0.1", "--port", str(self.port)]
            return {"web": web, "rates": [python, "-m", module, "rates"], "notify": [python, "-m", module, "notify"]}
        parts = Plan(self.environment, self.port, self.port, None, None, "", "", self.folder).parts
        commands = {name: command for name, command in parts.items() if name != "bot"}
        for name in [name for name in commands if name.startswith("worker-")]:
            commands[name] = [*commands[name], *self.side.arguments]
            for number in range(2, self.side.workers + 1):
                own_name = f"{name.removeprefix('worker-')}-{number}@%h"
                commands[f"{name}-{number}"] = [*commands[name], "--hostname", own_name]
        return commands

    def start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[Any]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = children.spawn(
                command,
                at_parent_death=signal.SIGKILL,
                env={**(environment or self.environment), "READY_FILE": str(self.folder / f"{name}.ready")},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # As under bin/run, which starts all parts in one session.
                start_new_session=False,
                process_group=0,
            )
        self.parts[name] = process
        self._stack.callback(_kill, process)
        return process

    def start_client(self, command: str, **arguments: Any) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "tests.bench.service.load", command, json.dumps(arguments)]
        client = children.spawn(
            line,
            at_parent_death=signal.SIGKILL,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(_kill, client)
        return client

    def result(self, client: subprocess.Popen[str], within: float) -> dict[str, Any]:
        """What the clients found. Raises Unfinished."""
        try:
            output, errors = client.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise Unfinished(f"the clients were not done within {within:g} s") from None
        if client.returncode:
            raise Unfinished(f"the clients: {(errors.strip().splitlines() or ['failed'])[-1]}")
        found: dict[str, Any] = json.loads(output)
        return found

    def client(self, command: str, within: float, **arguments: Any) -> dict[str, Any]:
        return self.result(self.start_client(command, **arguments), within)

    def numbers(self, count: int) -> int:
        """The first of so many numbers that no request has had."""
        self._next += count
        return self._next - count

    @cached_property
    def flow(self) -> Flow:
        """Measured once a stand."""
        return self.flow_of(self._count, 120)

    def flow_of(self, count: int, within: float, stuck: float = 30) -> Flow:
        seen, cpu, before = self.trace.count(), self.cpu(), self.written()
        found = self.client("post", within, port=self.port, clients=CLIENTS, first=self.numbers(count), count=count)
        self.until(lambda: self.trace.count() >= seen + count, within, "messages are missing", stuck)
        cpu = {name: (after - cpu.get(name, 0.0)) / count for name, after in self.cpu().items()}
        last = max(event.time for event in self.trace.events(seen))
        post_rate = count / (found["ended"] - found["begun"])
        more = {name: (after - before[name]) / count for name, after in self.written().items()}
        return Flow(found["seconds"], post_rate, count / (last - found["begun"]), cpu, more)

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU until now, of each part with its children, and of the servers."""
        used = {name: _cpu(process.pid) for name, process in self.parts.items()}
        # One side is at work at a time: what the servers use meanwhile is for it.
        used["redis"] = sum(map(_cpu, self.servers.pids("redis")))
        if self.side.broker != "redis":
            used["broker"] = sum(map(_cpu, self.servers.pids(self.side.broker)))
        if self.side.database == "postgres" and self.servers.postgres is not None:
            used["database"] = _cpu(self.servers.postgres.process.pid)
        return used

    def written(self) -> dict[str, float]:
        database = self.environment["DATABASE_URL"] if self.side.design == "project" else None
        return written(self.servers, self.side, database)

    def memory(self) -> float:
        """Megabytes of all parts with their children, each on its own."""
        return sum(_memory(process.pid) for name, process in self.parts.items() if name != "botapi")

    def until(self, done: Any, within: float, otherwise: str, stuck: float = float("inf")) -> None:
        deadline = time.monotonic() + within
        count, since = self.trace.count(), time.monotonic()
        while not done():
            now = time.monotonic()
            if self.trace.count() != count:
                count, since = self.trace.count(), now
            ended = [name for name, process in self.parts.items() if process.poll() is not None]
            if ended or now > deadline or now - since > stuck:
                reason = f"{', '.join(ended)} ended" if ended else otherwise
                self._stuck = True
                raise Unfinished(f"{reason} ({count} messages until then); its logs are in {self.folder}")
            time.sleep(0.02)


def _cpu(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(one.cpu_times()[:2])
    return total


def _memory(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 2**20


def _kill(process: subprocess.Popen[Any]) -> None:
    """With its pool, at once: what it leaves is thrown away anyway."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
