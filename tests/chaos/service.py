"""All that the service needs, and the service between its stand-ins, each on its own host where that is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from project.local import ports
from project.local.plan import Plan
from tests.chaos import clocks
from tests.chaos.clocks import Clock
from tests.chaos.kafka import Kafka
from tests.chaos.network import Host, Namespace, Network
from tests.chaos.parts import ROOT, Parts, Place
from tests.postgres import Missing as NoPostgres
from tests.postgres import Postgres
from tests.servers import folder_for, start_redis
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN, TelegramStandin

PASSWORD = "only-for-this-run"


class Service:
    """Use it as a context. `postgres` is None where it isn't installed: then SQLite serves, and `notes` says so.

    `hosts` can be cut off; there are none without a `network`. `not_run` has what can't be done here, with the reason.
    """

    def __init__(self, nodes: int, folder: Path, network: Network | None, clocks: bool = True) -> None:
        self.nodes, self.folder = nodes, folder
        self.notes: list[str] = []
        self.not_run: dict[str, str] = {}
        self.hosts: dict[str, Namespace] = {}
        self.clocks: dict[str, Clock] = {}
        self.small_disks = network is not None
        self._network, self._with_clocks = network, clocks
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

    def host(self, name: str) -> Host:
        if self._network is None:
            return Host()
        if name not in self.hosts:
            self.hosts[name] = self._network.host(name)
        return self.hosts[name]

    def kafka_name(self, node: int) -> str:
        return "Kafka" if self.nodes == 1 else f"Kafka node {node + 1}"

    def _start(self) -> None:
        nodes = [self.host(self.kafka_name(node)) for node in range(self.nodes)]
        self.kafka = Kafka(folder_for("kafka"), nodes, self.small_disks)
        self._stack.callback(self.kafka.stop)
        self.kafka.start()
        with self.host("Redis").inside():
            self.redis = start_redis(self.host("Redis").address, PASSWORD)
        self._stack.callback(self.redis.stop)
        self.postgres = self._postgres()
        with self.host("Telegram").inside():
            self.telegram = self._stack.enter_context(TelegramStandin(host=self.host("Telegram").address))
        with self.host("the CBR").inside():
            self.cbr = self._stack.enter_context(CbrStandin(host=self.host("the CBR").address))
        self.port = ports.free_port()
        self.url = f"http://{self.host('web').address}:{self.port}"
        self.database_url = self.postgres.url if self.postgres else f"sqlite:///{self.folder / 'db.sqlite3'}"
        environment = self._environment()
        subprocess.run(["bin/start", "prepare"], cwd=ROOT, env=environment, check=True, capture_output=True)
        self.parts = self._parts(environment)
        self._stack.callback(self.parts.stop)
        self.parts.wait_ready(self.url)

    def _parts(self, environment: dict[str, str]) -> Parts:
        plan = Plan(environment, self.port, self.port, None, None, "", "", self.folder)
        try:
            preload = clocks.libraries(self.folder.resolve()) if self._with_clocks else None
        except clocks.Missing as reason:
            preload = None
            self.not_run["jumps of the clock"] = str(reason)
        places = {}
        for name, command in plan.parts.items():
            if name == "bot":  # it only asks, as the API does: its requests are the same rows
                continue
            own = dict(environment)
            if preload:
                self.clocks[name] = Clock(self.folder / f"{name}.clock")
                own |= self.clocks[name].environment(preload)
            places[name] = Place(command, own, self.host(name))
        return Parts(places, self.folder)

    def _postgres(self) -> Postgres | None:
        host = self.host("PostgreSQL")
        try:
            with host.inside():
                server = Postgres(host.address)
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
            "WEB_HOST": self.host("web").address,
            "ALLOWED_HOSTS": self.host("web").address,
            "PORT": str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "REDIS_URL": f"redis://:{PASSWORD}@{self.redis.address}/0",
            "DATABASE_URL": self.database_url,
            "CBR_URL": self.cbr.url,
            "TELEGRAM_API_URL": self.telegram.url,
            "BOT_TOKEN": TOKEN,
            "ALLOW_ANONYMOUS_REQUESTS": "true",
            "THROTTLE_TELEGRAM_ID": "",
            # So that the CBR and Redis are asked again and again.
            "RATE_CACHE_TTL_SECONDS": "2",
        }
