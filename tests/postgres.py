"""A PostgreSQL server of a test run's own, where its programs are installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from project.local import children, ports

USER = "rates"
#: PostgreSQL refuses to run as root: Debian's package makes this user.
OWNER = "postgres"
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=100")


class Missing(Exception):
    """PostgreSQL can't be started here; the message says why."""


def programs() -> Path:
    """The folder with initdb and postgres. Raises Missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    elsewhere = shutil.which("initdb")
    if not found and not elsewhere:
        raise Missing("no PostgreSQL here: apt install postgresql")
    return (found[-1] if found else Path(str(elsewhere))).parent


class Postgres:
    """`url` is for DATABASE_URL. What was committed survives kill(), though not the machine's own death."""

    def __init__(self, host: str = "127.0.0.1", tls: Path | None = None, settings: Sequence[str] = FAST) -> None:
        """`tls` has server.pem and server.key; without it there is none."""
        self._bin, self.host = programs(), host
        self.port = ports.free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="test-postgres-"))
        self._settings = [f"-c{setting}" for setting in settings]
        self._as_owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as_owner = {"user": OWNER, "group": OWNER}
            shutil.chown(self._folder, OWNER, OWNER)
        options = ["--pgdata", str(self._folder / "data"), "--username", USER, "--auth", "trust", "--no-locale"]
        made = subprocess.run(
            [self._bin / "initdb", *options, "--encoding", "UTF8", "--no-sync"],
            capture_output=True,
            text=True,
            cwd=self._folder,
            **self._as_owner,
        )
        if made.returncode:
            raise Missing(f"initdb failed: {made.stderr.strip()}")
        with (self._folder / "data" / "pg_hba.conf").open("a") as rights:
            rights.write("host all all samenet trust\n")
        if tls is not None:
            self._use(tls)
        self.start()
        subprocess.run(
            [self._bin / "createdb", "-h", self.host, "-p", str(self.port), "-U", USER, USER],
            check=True,
            cwd=self._folder,
        )

    def _use(self, tls: Path) -> None:
        for name in ("server.pem", "server.key"):
            copy = self._folder / name
            shutil.copy(tls / name, copy)
            copy.chmod(0o600)
            if self._as_owner:
                shutil.chown(copy, OWNER, OWNER)
        files = (f"ssl_cert_file={self._folder / 'server.pem'}", f"ssl_key_file={self._folder / 'server.key'}")
        self._settings += [f"-c{setting}" for setting in ("ssl=on", *files)]

    @property
    def url(self) -> str:
        return f"postgres://{USER}@{self.host}:{self.port}/{USER}"

    def start(self) -> None:
        """Also after kill()."""
        command = [str(self._bin / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)]
        with (self._folder / "log").open("ab") as log:
            self.process: subprocess.Popen[Any] = children.spawn(
                [*command, "-h", self.host, "-k", str(self._folder), *self._settings],
                at_parent_death=signal.SIGKILL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._as_owner,
            )
        children.wait_ready(self.process, self._accepts, "postgres", 30, log=str(self._folder / "log"))

    def _accepts(self) -> bool:
        command: list[str | Path] = [self._bin / "pg_isready", "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(command, cwd=self._folder).returncode == 0

    def send(self, signum: signal.Signals) -> list[psutil.Process]:
        """To the whole server: each of its processes has a session of its own. Returns them."""
        every = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in every:
            with contextlib.suppress(psutil.NoSuchProcess):  # a client's server ends with its client
                process.send_signal(signum)
        return every

    def kill(self) -> None:
        """kill -9 of the whole server."""
        every = self.send(signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(every, timeout=10)

    def end(self) -> None:
        """In order; start() starts it again."""
        # "Fast": without waiting for its clients.
        self.process.send_signal(signal.SIGINT)
        children.end([self.process], grace=10)

    def stop(self) -> None:
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)


def main() -> str | None:
    """The reason why PostgreSQL can't run here."""
    try:
        programs()
    except Missing as reason:
        return str(reason)
    return None


if __name__ == "__main__":
    sys.exit(main())
