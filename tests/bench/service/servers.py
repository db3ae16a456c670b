"""Brokers, Redis, databases and the peers' Python environment: each made when it is needed first."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from confluent_kafka.admin import AdminClient

from tests.bench.peers import REDIS as REDIS_PEER
from tests.bench.peers import Absent, Brokers, Peer
from tests.bench.progress import tell
from tests.postgres import Missing as NoPostgres
from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = ROOT / "requirements-bench.txt"
VENV = ROOT / "var" / "bench-venv"
#: As Debian has it but for its number of connections: what is committed is on the disk.
POSTGRES_SETTINGS = ("max_connections=200",)


class Servers(Brokers):
    """Each measurement has a database of its own, a copy of one that was migrated once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="bench-databases-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._migrated: dict[str, str] = {}
        self.postgres: Postgres | None = None

    @property
    def redis_url(self) -> str:
        """For the cache and the results, apart from the broker's database. Raises Absent."""
        return self.url(REDIS_PEER).removesuffix("/0") + "/1"

    def address(self, peer: Peer) -> str:
        """host:port of its broker. Raises Absent."""
        return urlsplit(self.url(peer)).netloc.rpartition("@")[2]

    @contextlib.contextmanager
    def database(self, kind: str) -> Iterator[str]:
        """The DATABASE_URL of a fresh database. Raises Absent."""
        if kind not in self._migrated:
            self._migrated[kind] = self._migrate(kind)
        name = f"bench_{uuid.uuid4().hex[:12]}"
        if kind == "sqlite":
            path = self.folder / f"{name}.sqlite3"
            shutil.copy(self._migrated[kind], path)
            yield f"sqlite:///{path}"
            for left in self.folder.glob(f"{name}*"):
                left.unlink()
            return
        assert self.postgres is not None
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._migrated[kind]}")
            yield self.postgres.url.rpartition("/")[0] + f"/{name}"
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _migrate(self, kind: str) -> str:
        """A SQLite file, or the name of a PostgreSQL database."""
        tell(f"preparing {kind}")
        if kind == "sqlite":
            path = self.folder / "migrated.sqlite3"
            _prepare(f"sqlite:///{path}")
            # All of it in one file, to be copied.
            with contextlib.closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return str(path)
        try:
            self.postgres = Postgres(settings=POSTGRES_SETTINGS)
        except NoPostgres as reason:
            raise Absent(str(reason)) from reason
        self._stack.callback(self.postgres.stop)
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE migrated")
        _prepare(self.postgres.url.rpartition("/")[0] + "/migrated")
        return "migrated"

    def databases(self) -> list[str]:
        """How durable a commit is, as the servers say it."""
        facts = []
        if path := self._migrated.get("sqlite"):
            facts.append(f"SQLite {sqlite3.sqlite_version}: {_sqlite_modes(path)}")
        if self.postgres is not None:
            with psycopg.connect(self.postgres.url) as connection:
                names = ("server_version", "fsync", "synchronous_commit")
                shown = [connection.execute(f"SHOW {name}").fetchone() for name in names]
            version, fsync, commit = (str(row[0]) for row in shown if row)
            facts.append(f"PostgreSQL {version}: fsync {fsync}, synchronous_commit {commit}")
        return facts

    def make_topics(self, peer: Peer, names: list[str]) -> None:
        from confluent_kafka.admin import NewTopic

        for future in self.admin(peer).create_topics([NewTopic(name, num_partitions=1) for name in names]).values():
            future.result(15)

    def drop_topics(self, peer: Peer) -> None:
        """All of them: each measurement has a clean broker."""
        admin = self.admin(peer)
        names = [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]
        for future in admin.delete_topics(names, operation_timeout=10).values() if names else ():
            future.result(15)

    def admin(self, peer: Peer) -> AdminClient:
        if peer.broker not in self._admins:
            self._admins[peer.broker] = AdminClient({"bootstrap.servers": self.address(peer), "log_level": 2})
        return self._admins[peer.broker]


def _prepare(url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url, "ENV_FILES": "", "DJANGO_SETTINGS_MODULE": "project.settings"}
    subprocess.run(
        [sys.executable, "manage.py", "prepare"],
        cwd=ROOT,
        env={**environment, "SECRET_KEY": "only-for-this-run-and-long-enough-for-all-checks-of-it"},
        check=True,
        capture_output=True,
    )


def _sqlite_modes(path: str) -> str:
    """As the service's own connections have them."""
    script = (
        "import django; django.setup(); from django.db import connection as c; k = c.cursor(); "
        "print('journal_mode', k.execute('PRAGMA journal_mode').fetchone()[0] + ', synchronous', "
        "['OFF', 'NORMAL', 'FULL', 'EXTRA'][k.execute('PRAGMA synchronous').fetchone()[0]])"
    )
    environment = {"DATABASE_URL": f"sqlite:///{path}", "ENV_FILES": "", "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    return done.stdout.strip()


def peers_python() -> str:
    """The interpreter that has FastAPI, FastStream and aiokafka; made on first use. Raises Absent."""
    python, stamp = VENV / "bin" / "python", VENV / "requirements.txt"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return str(python)
    tell(f"installing requirements-bench.txt into {VENV.relative_to(ROOT)}")
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", VENV],
        [python, "-m", "pip", "install", "-q", "-r", REQUIREMENTS],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Absent(f"no environment for the peers: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    stamp.write_text(REQUIREMENTS.read_text())
    return str(python)
