"""What so many requests a second need, reckoned from what one of them costs.

The model is a straight line: a request costs the same CPU and writes the same however many there are, and a part's
processes take from each other nothing but the broker and the database.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from tests.bench.figures import number, spread
from tests.bench.report import Table
from tests.bench.rows import Results, column

from .sides import OURS_POSTGRES

RATES = (1000, 10_000)
#: The share of a core that is planned with: the rest is for peaks, and for what is caught up with after an outage.
USE = 0.6
#: Of each record in Kafka on several hosts.
REPLICAS = 3
DAY = 24 * 60 * 60

CPU = {
    "web": "web",
    "relay": "relay",
    "rates": "workers that fetch",
    "notify": "workers that send",
    "broker": "Kafka, without its replicas",
    "redis": "Redis",
    "database": "PostgreSQL",
}


def needs(rows: Mapping[str, Results], side: str = OURS_POSTGRES.name) -> Table:
    """A line for each part and for each thing that is written; nothing where `cost` or `writes` wasn't measured."""
    cost, writes = (_medians(rows.get(row, {}), side) for row in ("cost", "writes"))
    if not cost or not writes:
        return []
    head = ["what", "one request", *(f"{number(rate)} a second" for rate in RATES)]
    return [head, *_cpu(cost), *_writes(writes)]


def _cpu(cost: Mapping[str, float]) -> Table:
    needed = {title: [_cores(rate, cost[key]) for rate in RATES] for key, title in CPU.items()}
    lines = [[title, f"{number(cost[key])} ms of CPU", *_shown(needed[title])] for key, title in CPU.items()]
    total = [sum(cores) for cores in zip(*needed.values(), strict=True)]
    return [*lines, ["all of it", f"{number(sum(cost[key] for key in CPU))} ms of CPU", *_shown(total)]]


def _writes(writes: Mapping[str, float]) -> Table:
    lines = []
    for title, records, size in (("messages", "records", "topics"), ("commits", "commit-records", "commits")):
        each = f"{number(writes[records])} of {number(writes[size] / writes[records])} kB"
        lines.append([f"Kafka's {title}, by {REPLICAS} replicas", each, *_flow(writes, records, size, REPLICAS)])
    each = f"{number(writes['transactions'])}, {number(writes['wal'])} kB of log"
    lines.append(["PostgreSQL's transactions", each, *_flow(writes, "transactions", "wal")])
    days = [f"{number(rate * writes['database'] * DAY / 1e6)} GB a day" for rate in RATES]
    return [*lines, ["what stays in PostgreSQL", f"{number(writes['database'])} kB", *days]]


def _flow(writes: Mapping[str, float], count: str, size: str, copies: int = 1) -> list[str]:
    return [f"{number(rate * writes[count])}/s, {number(rate * writes[size] * copies / 1000)} MB/s" for rate in RATES]


def _shown(cores: Iterable[int]) -> list[str]:
    return [f"{number(count)} {'core' if count == 1 else 'cores'}" for count in cores]


def _medians(results: Results, side: str) -> dict[str, float]:
    rounds = results.get(side, ())
    keys = dict.fromkeys(key for figures in rounds if figures is not None for key in figures)
    found = {key: spread([value for value in column(rounds, key) if value is not None]) for key in keys}
    return {key: one.median for key, one in found.items() if one is not None}


def _cores(rate: int, milliseconds: float) -> int:
    return math.ceil(rate * milliseconds / 1000 / USE)
