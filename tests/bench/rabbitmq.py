"""Debian's RabbitMQ as a node of its own: own port, folders, cookie and epmd, on loopback; no system service."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from project.local import children, ports

READY_SECONDS = 60


class NotInstalled(Exception):
    """RabbitMQ can't run here; the message says what to install."""


def binary() -> str:
    """The server itself: Debian's wrapper would change to the system's user and folders. Raises NotInstalled."""
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    found = str(packaged) if packaged.exists() else shutil.which("rabbitmq-server")
    if found is None or shutil.which("epmd") is None:
        raise NotInstalled("rabbitmq-server is not installed: apt install rabbitmq-server")
    return found


class RabbitMQ:
    """A running node; `url` is Celery's broker URL. Raises NotInstalled, children.NotReady."""

    def __init__(self) -> None:
        server = binary()
        self.folder = Path(tempfile.mkdtemp(prefix="bench-rabbitmq-"))
        self.port, epmd_port, distribution = (ports.free_port() for _ in range(3))
        self._env = {
            **os.environ,
            "HOME": str(self.folder),  # the Erlang cookie
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
        }
        self.processes: list[subprocess.Popen[Any]] = []
        try:
            self._spawn("epmd", "-port", str(epmd_port), "-address", "127.0.0.1")
            node = self._spawn(server)
            children.wait_ready(
                node,
                lambda: ports.answers("127.0.0.1", self.port),
                "rabbitmq-server",
                READY_SECONDS,
                log=str(self.folder / "server.log"),
            )
        except BaseException:  # also Ctrl-C: nothing may be left behind
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def _spawn(self, *command: str) -> subprocess.Popen[Any]:
        with (self.folder / "server.log").open("ab") as log:
            process = children.spawn(
                command,
                at_parent_death=signal.SIGKILL,
                env=self._env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """The node first, then its name server; its own helpers go with its process group."""
        for process in reversed(self.processes):
            children.end([process], grace=15)
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)
