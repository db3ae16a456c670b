"""How long a chain of two takes on an idle worker, and what further queues of that worker add to it."""

from __future__ import annotations

from collections.abc import Callable

from .figures import percentile
from .peers import CONFIRMED, OURS, RABBITMQ, REDIS, STOCK, Brokers, Peer
from .rows import Figure, Figures, Row, Scale, Target
from .stage import Stage, Unfinished

IDLE_QUEUES = 10
WARM_UP = 10


def chain(stage: Stage, count: int, timeout: float) -> Figures:
    stage.worker(1, "-c", "2")
    stage.warm_up()
    path = str(stage.trace.path)
    taken = stage.run("idle_chains", timeout + 30, count=WARM_UP + count, path=path, timeout=timeout)["milliseconds"]
    if len(taken) < WARM_UP + count:
        raise Unfinished(f"{len(taken)} of {WARM_UP + count} chains within {timeout:g} s")
    return {"p50": percentile(taken[WARM_UP:], 50), "p99": percentile(taken[WARM_UP:], 99)}


def measure(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    with Stage(brokers, peer, name) as stage:
        return chain(stage, scale.of(300, 20), timeout=60)


def with_idle_queues(count: int) -> Callable[[Brokers, Peer, str, Scale], Figures]:
    """Ten more queues, and the same chains right before without them: the two are compared within the round."""

    def measure(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
        chains = scale.of(300, 20)
        with Stage(brokers, peer, name) as stage:
            alone = chain(stage, chains, timeout=60)
        with Stage(brokers, peer, f"{name}-many", idle_queues=count) as stage:
            beside = chain(stage, chains, timeout=60)
        return {
            **beside,
            "p50-added": 100 * (beside["p50"] / alone["p50"] - 1),
            "p99-added": 100 * (beside["p99"] / alone["p99"] - 1),
        }

    return measure


P50, P99 = Figure("p50", "p50", " ms"), Figure("p99", "p99", " ms")

ROWS = (
    Row(
        "chain",
        "chain of two when idle",
        (OURS, REDIS, RABBITMQ, CONFIRMED, STOCK),
        measure,
        (P50, P99),
        tuple(Target(key, peer, at_most=1.0) for key in ("p50", "p99") for peer in ("redis", "rabbitmq")),
    ),
    Row(
        "chain-queues",
        "chain of two, ten idle queues on the worker",
        (OURS, REDIS, RABBITMQ, STOCK),
        with_idle_queues(IDLE_QUEUES),
        (
            P50,
            P99,
            Figure("p50-added", "p50 more than with one queue", " %", compared=False),
            Figure("p99-added", "p99 more", " %", compared=False),
        ),
        (Target("p50-added", at_most=10.0), Target("p99-added", at_most=10.0)),
    ),
)
