"""How much was written until now: to Kafka's topics, to its topic of commits, to the database."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from .servers import Servers
from .sides import Side

SQLITE = "sqlite:///"
#: Each transaction that writes takes a number, and so does each savepoint in it that writes. Of the log: also what the
#: server writes there by itself.
POSTGRES = """
    SELECT pg_database_size(current_database()),
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
           pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')
"""


def written(servers: Servers, side: Side, database: str | None) -> dict[str, float]:
    """Bytes, but for `records`, `commit-records` and `transactions`, which are numbers. `database` is its URL.

    A broker or database that doesn't tell something leaves it out.
    """
    found: dict[str, float] = {}
    if side.broker == "kafka":
        found |= _sizes(servers) | _records(servers, side)
    if database is None:
        return found
    if database.startswith(SQLITE):  # without its log, which is written over
        return {**found, "database": Path(database.removeprefix(SQLITE)).stat().st_size}
    with psycopg.connect(database) as connection:
        row = connection.execute(POSTGRES).fetchone()
    assert row is not None
    return {**found, **dict(zip(("database", "transactions", "wal"), map(float, row), strict=True))}


def _kind(topic: str) -> str | None:
    if topic.startswith("__consumer_offsets"):
        return "commits"
    return None if topic.startswith("__") else "topics"


def _sizes(servers: Servers) -> dict[str, float]:
    sizes = dict.fromkeys(("topics", "commits"), 0.0)
    if servers.kafka is not None:
        for folder in Path(servers.kafka.folder).glob("node-*/data/*"):
            # A topic that was deleted stays for a minute.
            if not folder.name.endswith("-delete") and (kind := _kind(folder.name)) is not None:
                sizes[kind] += _logs(folder)
    return sizes


def _logs(folder: Path) -> int:
    with contextlib.suppress(FileNotFoundError):  # the broker may delete it right now
        return sum(path.stat().st_size for path in folder.glob("*.log"))
    return 0


def _records(servers: Servers, side: Side) -> dict[str, float]:
    admin = servers.admin(side)
    latest = OffsetSpec.latest()
    parts = {
        TopicPartition(name, number): latest
        for name, topic in admin.list_topics(timeout=10).topics.items()
        if _kind(name) is not None
        for number in topic.partitions
    }
    counts = dict.fromkeys(("records", "commit-records"), 0.0)
    for part, future in (admin.list_offsets(parts, request_timeout=10) if parts else {}).items():
        counts["commit-records" if _kind(part.topic) == "commits" else "records"] += future.result(15).offset
    return counts
