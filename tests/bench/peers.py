"""Who is compared: each peer is a broker and a kombu transport, with the settings that its users have by default."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import redis
from confluent_kafka.admin import AdminClient

from project.local.children import NotReady
from project.local.kafka_cluster import AS_SHIPPED, KafkaCluster
from project.local.kafka_libs import Missing
from project.local.plan import EMBEDDED_OPTIONS
from tests.servers import start_kafka, start_redis, start_tansu

from .progress import tell
from .rabbitmq import NotInstalled, RabbitMQ


class Absent(Exception):
    """A peer can't run here; the message is one line that says what is missing."""


@dataclass(frozen=True)
class Peer:
    """`environment` and `arguments` are what its workers and clients get beside the broker's URL."""

    name: str
    title: str
    broker: str
    scheme: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


OURS = Peer("ours", "ours on Kafka", "kafka", "kafka")
TANSU = Peer("tansu", "ours on Tansu", "tansu", "kafka", EMBEDDED_OPTIONS)
REDIS = Peer("redis", "Redis", "redis", "redis")
RABBITMQ = Peer("rabbitmq", "RabbitMQ", "rabbitmq", "amqp")
CONFIRMED = Peer("confirmed", "RabbitMQ, confirmed", "rabbitmq", "amqp", {"confirm_publish": True})
STOCK = Peer(
    "stock",
    "stock kombu on Kafka",
    "kafka",
    "confluentkafka",
    # It has no fanout, and each further queue costs it five seconds: so nothing but the tasks' queue.
    environment={"BENCH_REMOTE_CONTROL": "0"},
    arguments=("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
CEILING = Peer("ceiling", "Celery's ceiling", "none", "ceiling")


class Brokers:
    """The servers, each started when it is needed first and kept for the whole run."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._urls: dict[str, str] = {}
        self._processes: dict[str, Callable[[], Iterable[subprocess.Popen[Any]]]] = {}
        self._absent: dict[str, str] = {}
        self.kafka: KafkaCluster | None = None
        self._redis: redis.Redis | None = None
        self._admins: dict[str, AdminClient] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._admins.clear()  # before their brokers go
        self._stack.close()

    def url(self, peer: Peer) -> str:
        """Raises Absent."""
        name = peer.broker
        if name in self._absent:
            raise Absent(self._absent[name])
        if name not in self._urls:
            tell(f"starting {name}")
            try:
                self._urls[name] = getattr(self, f"_start_{name}")()
            except (Missing, NotInstalled, NotReady) as reason:
                self._absent[name] = str(reason)
                raise Absent(str(reason)) from reason
        address = self._urls[name]
        return address if "://" in address else f"{peer.scheme}://{address}"

    def pids(self, broker: str) -> list[int]:
        """Of its servers; none where it wasn't started."""
        return [process.pid for process in self._processes.get(broker, list)()]

    def _start_none(self) -> str:
        return ""

    def _start_kafka(self) -> str:
        self.kafka = cluster = start_kafka(jvm=AS_SHIPPED)
        self._stack.callback(cluster.stop)
        self._processes["kafka"] = cluster.processes.values
        return cluster.bootstrap

    def _start_tansu(self) -> str:
        server = start_tansu()
        self._stack.callback(server.stop)
        self._processes["tansu"] = lambda: [server.process]
        return server.address

    def _start_redis(self) -> str:
        server = start_redis()
        self._stack.callback(server.stop)
        self._processes["redis"] = lambda: [server.process]
        self._redis = redis.Redis(port=server.port)
        return f"{server.address}/0"

    def _start_rabbitmq(self) -> str:
        server = RabbitMQ()
        self._stack.callback(server.stop)
        self._processes["rabbitmq"] = lambda: server.processes
        return server.url

    def clean(self, peer: Peer, queues: list[str]) -> None:
        """Remove what a measurement has left, so that the next one of any peer meets no more work than this one did."""
        if peer.broker == "redis" and self._redis is not None:
            self._redis.flushall()
        if peer.broker == "rabbitmq":
            from kombu import Connection

            with Connection(self._urls["rabbitmq"]) as connection, connection.channel() as channel:
                for queue in queues:
                    channel.queue_delete(queue)
        if peer.broker in ("kafka", "tansu"):
            if peer.broker not in self._admins:
                self._admins[peer.broker] = AdminClient({"bootstrap.servers": self._urls[peer.broker], "log_level": 2})
            admin = self._admins[peer.broker]
            there = [queue for queue in queues if queue in admin.list_topics(timeout=10).topics]
            for future in admin.delete_topics(there, operation_timeout=10).values() if there else ():
                future.result(15)
