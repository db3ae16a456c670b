"""How many tasks a second a worker gets through, and how many a client publishes."""

from __future__ import annotations

from collections.abc import Callable

from .peers import CEILING, CONFIRMED, OURS, RABBITMQ, REDIS, STOCK, Brokers, Peer
from .rows import Figure, Figures, Row, Scale, Target
from .stage import Stage, Unfinished, distinct

PREFETCH = 32


def drain(pool: str) -> Callable[[Brokers, Peer, str, Scale], Figures]:
    """A backlog is there before the worker starts; the time is that from the first task's end to the last one's."""

    def measure(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
        count = scale.of(4000, 400)
        slow = peer is STOCK and pool == "threads"  # a hundred a second, and some never run
        if slow:
            count //= 8
        environment = {"BENCH_PREPARED": str(count)}
        with Stage(brokers, peer, name, prefetch=PREFETCH, environment=environment) as stage:
            if peer is not CEILING:
                stage.run("fill", count=count)
            worker = stage.worker(1, "-c", "2", "--pool", pool)
            stage.wait(lambda: stage.trace.count() > 0, timeout=60, every=0.005)
            before, cpu = stage.trace.count(), worker.cpu()
            stage.wait(lambda: stage.trace.count() >= count, timeout=90, stuck=15, every=0.02)
            after, cpu = stage.trace.count(), worker.cpu() - cpu
            times = [event.time for event in stage.ended()]
            lost = count - distinct(stage.ended())
            if len(times) < 2 or (lost and not slow):
                raise Unfinished(f"{count - lost} of {count} tasks ran")
            rate = (len(times) - 1) / (max(times) - min(times))
            return {"rate": rate, "cpu": 1e6 * cpu / max(1, after - before), "lost": lost}

    return measure


def publish(threads: int) -> Callable[[Brokers, Peer, str, Scale], Figures]:
    def measure(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
        with Stage(brokers, peer, name) as stage:
            figures: Figures = stage.run("publish", count=scale.of(3200, 160), threads=threads)
            return figures

    return measure


RATE = Figure("rate", "tasks/s")
LOST = Figure("lost", "never ran", compared=False)
#: Says what a transport costs on a machine that others use too.
CPU = Figure("cpu", "CPU of worker and pool, µs/task")
CLIENT_CPU = Figure("cpu", "CPU of the client, µs/message")
PUBLISHED = Figure("rate", "messages/s")

ROWS = (
    Row(
        "drain",
        "4000 no-op tasks, prefork 2, prefetch 32×2",
        (OURS, REDIS, RABBITMQ, STOCK, CEILING),
        drain("prefork"),
        (RATE, CPU),
        (
            Target("rate", "redis", at_least=2.8),
            Target("rate", "rabbitmq", at_least=1.3),
            Target("rate", "ceiling", at_least=0.95),
        ),
    ),
    Row(
        "drain-threads",
        "4000 no-op tasks, threads pool of 2 (stock: 500 tasks)",
        (OURS, REDIS, RABBITMQ, STOCK, CEILING),
        drain("threads"),
        (RATE, CPU, LOST),
        (Target("rate", "redis", at_least=2.5), Target("lost", at_most=0, worst=True)),
    ),
    Row(
        "publish",
        "publish from one thread",
        (OURS, REDIS, RABBITMQ, CONFIRMED, STOCK),
        publish(1),
        (PUBLISHED, CLIENT_CPU),
        (Target("rate", "redis", at_least=0.8, note="a stretch"),),
    ),
    Row(
        "publish-16",
        "publish from sixteen threads",
        (OURS, REDIS, RABBITMQ, CONFIRMED, STOCK),
        publish(16),
        (PUBLISHED, CLIENT_CPU),
        (Target("rate", "redis", at_least=1.3),),
    ),
)
