"""All that the service needs, and the service between its stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from project.local import ports
from project.local.plan import Plan
from tests.chaos.parts import ROOT, Parts
from tests.postgres import Missing as NoPostgres
from tests.postgres import Postgres
from tests.servers import start_kafka, start_redis
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN, TelegramStandin


class Service:
    """Use it as a context. `postgres` is None where it isn't installed: then SQLite serves, and `notes` says so."""

    def __init__(self, nodes: int, folder: Path) -> None:
        self.nodes, self.folder = nodes, folder
        self.notes: list[str] = []
        self._stack = ExitStack()

    def __enter__(self) -> Service:
        """Raises kafka_libs.Missing, children.NotReady."""
        try:
            self._start()
        except BaseException:  # nothing may be left behind
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.kafka = start_kafka(self.nodes)
        self._stack.callback(self.kafka.stop)
        self.redis = start_redis()
        self._stack.callback(self.redis.stop)
        self.postgres = self._postgres()
        self.telegram = self._stack.enter_context(TelegramStandin())
        self.cbr = self._stack.enter_context(CbrStandin())
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = self.postgres.url if self.postgres else f"sqlite:///{self.folder / 'db.sqlite3'}"
        environment = self._environment()
        subprocess.run(["bin/start", "prepare"], cwd=ROOT, env=environment, check=True, capture_output=True)
        plan = Plan(environment, self.port, self.port, None, None, "", "", self.folder)
        # The bot only asks, as the API does: its requests are the same rows.
        commands = {name: command for name, command in plan.parts.items() if name != "bot"}
        self.parts = Parts(commands, environment, self.folder)
        self._stack.callback(self.parts.stop)
        self.parts.wait_ready(self.url)

    def _postgres(self) -> Postgres | None:
        try:
            server = Postgres()
        except NoPostgres as reason:
            self.notes.append(f"on SQLite: {reason}")
            return None
        self._stack.callback(server.stop)
        return server

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "ENV_FILES": "",
            "SECRET_KEY": "only-for-this-run-and-long-enough-for-all-checks-of-it",
            "PORT": str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "REDIS_URL": f"redis://{self.redis.address}/0",
            "DATABASE_URL": self.database_url,
            "CBR_URL": self.cbr.url,
            "TELEGRAM_API_URL": self.telegram.url,
            "BOT_TOKEN": TOKEN,
            # So that the CBR and Redis are asked again and again.
            "RATE_CACHE_TTL_SECONDS": "2",
        }
