"""Who is compared: the application on several brokers and databases, and three other designs of the same service."""

from __future__ import annotations

from dataclasses import dataclass

from project.local.plan import EMBEDDED_OPTIONS
from tests.bench.peers import Peer


@dataclass(frozen=True)
class Side(Peer):
    """`design` is `project`, or a module of this package; `arguments` are for the workers, `workers` is how many."""

    design: str = "project"
    database: str = "sqlite"
    workers: int = 1


OURS = Side("ours", "ours on Kafka", "kafka", "kafka")
OURS_POSTGRES = Side("postgres", "ours on Kafka, PostgreSQL", "kafka", "kafka", database="postgres")
TANSU = Side("tansu", "ours on the embedded broker", "tansu", "kafka", EMBEDDED_OPTIONS)
REDIS = Side("redis", "the same on Redis", "redis", "redis")
REDIS_POSTGRES = Side("redis-postgres", "the same on Redis, PostgreSQL", "redis", "redis", database="postgres")
# The outbox marks as published what the broker has confirmed, which RabbitMQ does only when it is asked to.
RABBITMQ = Side("rabbitmq", "the same on RabbitMQ", "rabbitmq", "amqp", {"confirm_publish": True})
STOCK = Side(
    "stock",
    "the same on stock kombu's Kafka",
    "kafka",
    "confluentkafka",
    # It has no fanout.
    environment={"BENCH_REMOTE_CONTROL": "0"},
    arguments=("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
THREE = Side("three", "three services", "kafka", "kafka", design="three")
FASTSTREAM = Side("faststream", "FastStream", "kafka", "kafka", design="faststream_")
BARE = Side("bare", "bare confluent-kafka", "kafka", "kafka", design="bare")

APPLICATIONS = (OURS, OURS_POSTGRES, TANSU, REDIS, REDIS_POSTGRES, RABBITMQ, STOCK)
SIDES = (*APPLICATIONS, THREE, FASTSTREAM, BARE)
