"""supervisord as the runner of the parts: its configuration, its start, its words put in ours.

It restarts what dies, waiting a second longer each time that a part dies within START_SECONDS. A part that ends with
EX_CONFIG (sysexits.h) would end so again, only another setting helps: it stays down.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from project.local import children, embedded, private
from project.local.plan import ROOT, Plan

START_SECONDS = 5
# A second, two, three … between them: about half an hour, then a part is given up.
START_RETRIES = 60
# Celery lets the running tasks end first.
STOP_SECONDS = 20
# A Unix socket's address has 107 bytes.
MAX_SOCKET_PATH = 100

SERVICES, PARTS = "services", "parts"
# The part whose standard output is the console backend's messages, and where that goes.
MESSENGER, MESSAGES = "worker-notifications", "messages.log"

COMMON = f"""autorestart = unexpected
exitcodes = {os.EX_CONFIG}
startsecs = {START_SECONDS}
startretries = {START_RETRIES}
stopwaitsecs = {STOP_SECONDS}
stopasgroup = true
killasgroup = true
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 2
stderr_logfile_maxbytes = 5MB
stderr_logfile_backups = 2
"""


class Event(NamedTuple):
    """What happened to a part: "died", "started" or "gave up", and the detail of it (exit status, pid)."""

    part: str
    what: str
    detail: str


EVENTS = {
    "died": re.compile(r"exited: (\S+) \((.+); (?:not )?expected\)$"),
    "started": re.compile(r"spawned: '(\S+)' with pid (\d+)$"),
    "gave up": re.compile(r"gave up: (\S+) (.*)$"),
}


class Supervisor:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        path = plan.var / "supervisor.sock"
        if len(str(path).encode()) > MAX_SOCKET_PATH:
            path = Path(tempfile.mkdtemp(prefix="bin-run-")) / "supervisor.sock"
        self.socket = path
        self.process: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        """Returns when it listens; the embedded services are being started, the parts are not yet."""
        self.socket.unlink(missing_ok=True)
        config = self.plan.var / "supervisord.conf"
        private.write(config, self.config())
        with (self.plan.logs / "supervisord.err").open("wb") as errors:
            self.process = children.spawn(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(config)],
                at_parent_death=signal.SIGTERM,
                env=self.plan.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
            )
        children.wait_ready(self.process, self.socket.is_socket, "supervisord", 20, log=errors)

    def start_parts(self) -> None:
        with ServerProxy("http://localhost", SupervisorTransport("", "", f"unix://{self.socket}")) as server:
            server.supervisor.startProcessGroup(PARTS, False)

    def give_up(self, part: str) -> None:
        """Start a part that has died no more."""
        with (
            ServerProxy("http://localhost", SupervisorTransport("", "", f"unix://{self.socket}")) as server,
            contextlib.suppress(Fault),  # it isn't about to be started anyway
        ):
            server.supervisor.stopProcess(f"{PARTS}:{part}", False)

    def events(self) -> Iterator[Event]:
        """Until supervisord ends."""
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            for what, pattern in EVENTS.items():
                if found := pattern.search(line.rstrip()):
                    yield Event(found[1], what, found[2])

    def stop(self) -> None:
        """Parts first, then the embedded services; all of them have ended when this returns."""
        if self.process is not None:
            children.end([self.process], grace=2 * STOP_SECONDS + 5)
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self.plan.var:
            self.socket.parent.rmdir()

    def config(self) -> str:
        """supervisord.conf; writes redis.conf where the embedded one is to run."""
        plan = self.plan
        services = {}
        if plan.kafka_port:
            services["kafka"] = embedded.broker_command(plan.kafka_port)
        if plan.redis_port:
            services["redis"] = embedded.redis_command(plan.redis_port, plan.var / "redis", plan.redis_password)
        sections = [
            f"[supervisord]\nnodaemon = true\nlogfile = {self._log('supervisord.log')}\nlogfile_maxbytes = 5MB\n"
            f"logfile_backups = 1\npidfile = {_plain(plan.var / 'supervisord.pid')}\n"
            f"childlogdir = {_plain(plan.logs)}\n",
            f"[unix_http_server]\nfile = {_plain(self.socket)}\nchmod = 0600\n",
            # For supervisorctl -c var/supervisord.conf.
            f"[supervisorctl]\nserverurl = unix://{_plain(self.socket)}\n",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
            *self._group(SERVICES, services, autostart=True, priority=10),
            *self._group(PARTS, plan.parts, autostart=False, priority=20),
        ]
        return "\n".join(sections)

    def _group(self, group: str, programs: dict[str, list[str]], autostart: bool, priority: int) -> Iterator[str]:
        """Groups are stopped one after the other, the highest priority first; the programs of one at once."""
        if programs:
            yield f"[group:{group}]\nprograms = {','.join(programs)}\npriority = {priority}\n"
        for name, command in programs.items():
            yield (
                f"[program:{name}]\ncommand = {_plain(shlex.join(command))}\ndirectory = {_plain(ROOT)}\n"
                f"autostart = {str(autostart).lower()}\n"
                f"environment = {self._environment(name)}\n{self._logs(name)}{COMMON}"
            )

    def _environment(self, name: str) -> str:
        return ",".join(f'{key}="{_plain(value)}"' for key, value in self.plan.own_env(name).items())

    def _logs(self, name: str) -> str:
        if name == MESSENGER:
            return f"stdout_logfile = {self._log(MESSAGES)}\nstderr_logfile = {self._log(f'{name}.log')}\n"
        return f"stdout_logfile = {self._log(f'{name}.log')}\nredirect_stderr = true\n"

    def _log(self, name: str) -> str:
        return _plain(self.plan.logs / name)


def _plain(text: Path | str) -> str:
    """supervisord expands %(…)s."""
    return str(text).replace("%", "%%")
