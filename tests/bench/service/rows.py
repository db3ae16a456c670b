"""What is measured of each side while it is at work: its answers, its messages, its latency, what it costs."""

from __future__ import annotations

from tests.bench.figures import percentile
from tests.bench.rows import Figure, Figures, Row, Scale, Target
from tests.bench.stage import Unfinished

from .sides import BARE, FASTSTREAM, OURS, OURS_POSTGRES, SIDES, THREE
from .stand import CLIENTS, Stand

#: One after the other, while nothing else happens.
IDLE, IDLE_WARM_UP = 150, 10
COSTS = ("web", "relay", "rates", "notify", "broker", "redis", "database", "sum")
#: Of what is written; the others are counted, not weighed.
IN_BYTES = ("topics", "commits", "database", "wal")
#: An answer that is kept, one that isn't (its address was never asked for), and what the server itself gives.
KEPT, NEW, LIMIT = "/api/v1/rates/", "/api/v1/rates/?n={}", "/healthz"


def post(stand: Stand, scale: Scale) -> Figures:
    milliseconds = [1000 * seconds for seconds in stand.flow.seconds]
    return {"rate": stand.flow.post_rate, "p50": percentile(milliseconds, 50), "p99": percentile(milliseconds, 99)}


def deliver(stand: Stand, scale: Scale) -> Figures:
    return {"rate": stand.flow.message_rate}


def idle(stand: Stand, scale: Scale) -> Figures:
    count = IDLE_WARM_UP + scale.of(IDLE, 20)
    path, first = str(stand.trace.path), stand.numbers(count)
    taken = stand.client("idle", 90, port=stand.port, first=first, count=count, path=path, timeout=60)["milliseconds"]
    if len(taken) < count:
        raise Unfinished(f"{len(taken)} of {count} messages within a minute")
    return {"p50": percentile(taken[IDLE_WARM_UP:], 50), "p99": percentile(taken[IDLE_WARM_UP:], 99)}


def cost(stand: Stand, scale: Scale) -> Figures:
    """Milliseconds of CPU for one request, from the same flow."""
    used = {name: 1000 * seconds for name, seconds in stand.flow.cpu.items()}

    def of(prefix: str) -> float:
        return sum(value for name, value in used.items() if name.startswith(prefix))

    named = {name: of(name) for name in ("web", "relay", "broker", "redis", "database")}
    workers = {"rates": of("rates") + of("worker-rates"), "notify": of("notify") + of("worker-notifications")}
    return {**named, **workers, "sum": sum(named.values()) + sum(workers.values())}


def writes(stand: Stand, scale: Scale) -> Figures:
    """Of one request: kilobytes, and numbers, from the same flow."""
    return {name: value / 1000 if name in IN_BYTES else value for name, value in stand.flow.written.items()}


def read(stand: Stand, scale: Scale) -> Figures:
    count = scale.of(1500, 100)
    rates = {}
    for name, path in (("limit", LIMIT), ("kept", KEPT), ("new", NEW)):
        stand.client("get", 60, port=stand.port, clients=CLIENTS, count=32, path=path)
        asked = count // 5 if name == "new" else count
        found = stand.client("get", 60, port=stand.port, clients=CLIENTS, count=asked, path=path)
        rates[name] = asked / (found["ended"] - found["begun"])
    return {**rates, "times": rates["kept"] / rates["new"]}


ROWS = (
    Row(
        "post",
        "POST → 202, 16 clients, all parts at work",
        SIDES,
        post,
        (Figure("rate", "202/s"), Figure("p50", "p50", " ms", compared=False), Figure("p99", "p99", " ms")),
        (
            Target("rate", "three", at_least=2.0),
            Target("p99", "three", at_most=0.5),
            Target("rate", "three", at_least=2.0, peer="postgres"),
            Target("p99", "three", at_most=0.5, peer="postgres"),
        ),
    ),
    Row(
        "deliver",
        "POST → message at the Bot API, sustained",
        SIDES,
        deliver,
        (Figure("rate", "messages/s"),),
        (
            Target("rate", "three", at_least=2.0),
            Target("rate", "redis", at_least=1.3),
            Target("rate", "three", at_least=2.0, peer="postgres"),
            Target("rate", "redis-postgres", at_least=1.3, peer="postgres"),
        ),
    ),
    Row(
        "idle",
        "POST → message at the Bot API when idle",
        SIDES,
        idle,
        (Figure("p50", "p50", " ms"), Figure("p99", "p99", " ms")),
        (
            Target("p50", at_most=25.0),
            Target("p99", at_most=80.0),
            Target("p50", "redis", at_most=1.0),
            Target("p99", "redis", at_most=1.0),
        ),
    ),
    Row(
        "cost",
        "CPU of one request, in ms",
        SIDES,
        cost,
        tuple(Figure(key, key.replace("redis", "Redis"), compared=False) for key in COSTS),
        (),
    ),
    Row(
        "writes",
        "what is written for one request",
        (OURS, OURS_POSTGRES, THREE, FASTSTREAM, BARE),
        writes,
        (
            Figure("topics", "Kafka's messages", " kB", compared=False),
            Figure("records", "their number", compared=False),
            Figure("commits", "Kafka's commits", " kB", compared=False),
            Figure("commit-records", "their number", compared=False),
            Figure("database", "what stays in the database", " kB", compared=False),
            Figure("transactions", "PostgreSQL's transactions", compared=False),
            Figure("wal", "its log", " kB", compared=False),
        ),
        (),
    ),
    Row(
        "read",
        "GET of all rates, 16 clients",
        (OURS, OURS_POSTGRES),
        read,
        (
            Figure("kept", "kept/s", compared=False),
            Figure("new", "made anew/s", compared=False),
            Figure("times", "kept by anew", "×", compared=False),
            Figure("limit", "/healthz/s", compared=False),
        ),
        (Target("times", at_least=5.0),),
    ),
)
