"""What a kill -9 costs, and a worker that comes or goes."""

from __future__ import annotations

import time
from collections import Counter

from .figures import longest_gap
from .peers import OURS, RABBITMQ, REDIS, STOCK, Brokers, Peer
from .rows import Figure, Figures, Row, Scale, Target
from .stage import Stage, Unfinished, distinct
from .trace import Kind

#: Of project.kafka's option of that name.
SESSION_TIMEOUT = 10.0
PREFETCH = 32
POOL = 2
#: What is in a worker's hands when it dies: its prefetch limit.
IN_FLIGHT = PREFETCH * POOL
#: Nothing has happened for so long: the rest is lost, or comes much later.
STUCK = 25.0


def restart(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """The same worker is started again at once."""
    return kill(brokers, peer, name, scale, takeover=False)


def takeover(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """Another worker is there, and the one that was killed stays away."""
    return kill(brokers, peer, name, scale, takeover=True)


def kill(brokers: Brokers, peer: Peer, name: str, scale: Scale, takeover: bool) -> Figures:
    count = scale.of(500, 60)
    with Stage(brokers, peer, name, prefetch=PREFETCH) as stage:
        victim = stage.worker(1, "-c", str(POOL))
        others = [stage.worker(2, "-c", str(POOL))] if takeover else []
        stage.warm_up(1 + len(others))
        stage.run("chains", count=count, seconds=0.005)
        if not stage.wait(lambda: distinct(stage.ended(1)) >= count // 4, timeout=60, stuck=STUCK):
            raise Unfinished(f"{distinct(stage.ended(1))} of {count} chains before the kill")
        killed = time.monotonic()
        victim.kill()
        if not takeover:
            stage.worker(1, "-c", str(POOL))
        stage.wait(lambda: distinct(stage.ended(1)) >= count, timeout=120, stuck=STUCK)
        ends = stage.ended()
        figures = {"lost": float(count - distinct(stage.ended(1))), "repeated": repeated(stage)}
        if not figures["lost"]:
            figures["seconds"] = max(event.time for event in ends) - killed
        return figures


def repeated(stage: Stage) -> float:
    """How many task runs came to their end that had done so before."""
    runs = Counter((event.number, event.leg) for event in stage.ended())
    return float(sum(runs.values()) - len(runs))


def leave(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """Of two workers, a third one joins and the first one leaves in the ordinary way; the gaps are the others'."""
    count, seconds = scale.of(500, 150), 0.06
    with Stage(brokers, peer, name) as stage:
        first, second = stage.worker(1, "-c", str(POOL)), stage.worker(2, "-c", str(POOL))
        stage.warm_up(2)
        publisher = stage.client("chains", count=count, seconds=seconds)
        stage.wait(lambda: distinct(stage.ended(0)) >= count // 10, timeout=60, stuck=STUCK)
        third = stage.worker(3, "-c", str(POOL))
        stage.wait(lambda: any(event.worker == 3 for event in stage.trace.of(Kind.BEGUN)), timeout=20)
        first.stop()
        stage.result(publisher)
        stage.wait(lambda: distinct(stage.ended(1)) >= count, timeout=120, stuck=STUCK)
        gaps = [
            longest_gap([event.time for event in stage.ended() if event.worker == w.number]) for w in (second, third)
        ]
        return {
            "lost": float(count - distinct(stage.ended(1))),
            "repeated": 100 * repeated(stage) / (2 * count),
            "gap": max(gaps),
        }


LOST = Figure("lost", "chains not done", compared=False)
REPEATED = Figure("repeated", "task runs repeated", compared=False)
DONE = Figure("seconds", "kill to all done", " s")

ROWS = (
    Row(
        "kill",
        "kill -9 amid 500 chains, the same worker started again",
        (OURS, REDIS, RABBITMQ, STOCK),
        restart,
        (LOST, REPEATED, DONE),
        (
            Target("lost", at_most=0, worst=True),
            Target("repeated", at_most=IN_FLIGHT, worst=True, note="what is in flight"),
            Target("seconds", at_most=8.0),
        ),
    ),
    Row(
        "kill-takeover",
        "kill -9 amid 500 chains, another worker takes over",
        (OURS, REDIS, RABBITMQ),
        takeover,
        (LOST, REPEATED, DONE),
        (
            Target("lost", at_most=0, worst=True),
            Target("repeated", at_most=IN_FLIGHT, worst=True, note="what is in flight"),
            Target("seconds", at_most=SESSION_TIMEOUT + 5, note="session timeout + 5 s"),
        ),
    ),
    Row(
        "leave",
        "a worker joins, another leaves in the ordinary way, amid 500 chains of 60 ms",
        (OURS, REDIS, RABBITMQ),
        leave,
        (
            LOST,
            Figure("repeated", "task runs repeated", " %", compared=False),
            Figure("gap", "longest gap of the others", " s", compared=False),
        ),
        (
            Target("lost", at_most=0, worst=True),
            Target("repeated", at_most=1.0, worst=True, note="aim: 0"),
            Target("gap", at_most=2.0, worst=True),
        ),
    ),
)
