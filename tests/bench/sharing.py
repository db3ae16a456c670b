"""How workers share a queue, also where some tasks are long."""

from __future__ import annotations

from collections import Counter

from .figures import percentile
from .peers import OURS, RABBITMQ, REDIS, STOCK, Brokers, Peer
from .progress import tell
from .rows import Figure, Figures, Row, Scale, Target
from .stage import Stage, Unfinished, distinct
from .trace import Kind

POOL = "2"


def share(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    count = scale.of(300, 60)
    with Stage(brokers, peer, name) as stage:
        for number in (1, 2):
            stage.worker(number, "-c", POOL)
        try:
            stage.warm_up(2, timeout=40)
        except Unfinished as reason:
            tell(f"  {reason}; the chains are published all the same")
        stage.run("chains", count=count, seconds=0.03)
        stage.wait(lambda: distinct(stage.ended(1)) >= count, timeout=60, stuck=20)
        ends = stage.ended()
        lost = count - distinct(stage.ended(1))
        if not ends:
            raise Unfinished(f"0 of {count} chains")
        return {"share": 100 * max(Counter(event.worker for event in ends).values()) / len(ends), "lost": lost}


def mix(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """Twenty tasks a second, where two workers of two have room for thirty-three."""
    count, every = scale.of(400, 100), 50
    with Stage(brokers, peer, name) as stage:
        for number in (1, 2):
            stage.worker(number, "-c", POOL)
        stage.warm_up(2)
        # The long ones come at the same places for every peer of a round, and at others in the next round.
        seed = int(name.split("-")[-2])
        stage.run("mix", count=count, every=every, long=5.0, short=0.02, rate=20, seed=seed)
        if not stage.wait(lambda: distinct(stage.ended()) >= count, timeout=120, stuck=30):
            raise Unfinished(f"{distinct(stage.ended())} of {count} tasks")
        published = {event.number: event.time for event in stage.trace.of(Kind.PUBLISHED, 0)}
        waits = [event.time - published[event.number] for event in stage.trace.of(Kind.BEGUN, 0)]
        return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}


ROWS = (
    Row(
        "share",
        "two workers, one queue, 300 chains of 30 ms",
        (OURS, REDIS, RABBITMQ, STOCK),
        share,
        (
            Figure("share", "share of the busier worker", " %", compared=False),
            Figure("lost", "chains not done", compared=False),
        ),
        (Target("share", at_most=60.0, worst=True), Target("lost", at_most=0, worst=True)),
    ),
    Row(
        "mix",
        "one task in fifty takes 5 s, the rest 20 ms; two workers of two",
        (OURS, REDIS, RABBITMQ),
        mix,
        (Figure("p50", "wait of the short ones, p50", " s"), Figure("p99", "wait of the short ones, p99", " s")),
        (Target("p99", "redis", at_most=1.5),),
    ),
)
