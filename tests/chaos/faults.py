"""What is done to the service: each fault begins, lasts, and ends."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.service import Service
from tests.standins.telegram import Failure

#: Words that the names of faults of different parts share.
COMMON = {"killed", "stopped", "for", "4", "s", "a", "pool", "process", "of", "the", "answers", "500", "slow", "away"}
#: Calls of the Bot API that fail, until the fault ends.
MANY = 1_000_000


def nothing() -> None:
    """A killed part is restarted by its keeper."""


@dataclass(frozen=True)
class Fault:
    """`seconds` lie between its begin and its end."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None] = nothing
    seconds: float = 0.5


def both(one: Fault, other: Fault) -> Fault:
    """A pair at the same time; the second begins and ends last."""

    def begin() -> None:
        one.begin()
        other.begin()

    def end() -> None:
        one.end()
        other.end()

    return Fault(f"{one.name} + {other.name}", begin, end, max(one.seconds, other.seconds))


def catalogue(service: Service) -> list[Fault]:
    """Every single fault that this service can have."""
    parts = service.parts
    faults = [Fault(f"{name} killed", parts[name].kill) for name in parts.all]
    for name in ("worker-rates", "worker-notifications"):
        faults.append(Fault(f"a pool process of {name} killed", parts[name].kill_child))
    for name in parts.all:
        part = parts[name]
        faults.append(stopped(name, part.send))
    faults += [kafka_killed(service, node) for node in range(service.nodes)]
    faults.append(Fault("Redis killed", service.redis.kill, service.redis.start, 3))
    faults.append(stopped("Redis", lambda signum: service.redis.process.send_signal(signum)))
    if service.postgres:
        faults.append(Fault("PostgreSQL killed", service.postgres.kill, service.postgres.start, 3))
    telegram = service.telegram
    for kind, name in (
        ("cut", "Telegram away"),
        ("cut_after", "Telegram's answers lost"),
        ("500", "Telegram answers 500"),
        ("slow", "Telegram slow"),
    ):
        failure = Failure(kind, times=MANY, seconds=4)
        faults.append(Fault(name, lambda one=failure: telegram.state.failures.append(one), telegram_back(service), 4))  # type: ignore[misc]
    for mode, name in (("500", "the CBR answers 500"), ("slow", "the CBR slow"), ("splash", "the CBR sends a page")):
        faults.append(Fault(name, cbr_mode(service, mode), cbr_mode(service, "ok"), 4))
    return faults


def stopped(name: str, send: Callable[[signal.Signals], None]) -> Fault:
    return Fault(f"{name} stopped for 4 s", lambda: send(signal.SIGSTOP), lambda: send(signal.SIGCONT), 4)


def kafka_killed(service: Service, node: int) -> Fault:
    which = "" if service.nodes == 1 else f" node {node + 1}"
    return Fault(f"Kafka{which} killed", lambda: service.kafka.kill(node), lambda: service.kafka.restart(node), 3)


def telegram_back(service: Service) -> Callable[[], None]:
    return service.telegram.state.failures.clear


def cbr_mode(service: Service, mode: str) -> Callable[[], None]:
    def change() -> None:
        service.cbr.mode, service.cbr.seconds = mode, 4.0

    return change


def chosen(faults: Sequence[Fault], seed: int, count: int) -> list[Fault]:
    """`count` of them in an order that the seed decides, every third one a pair; all singles come before any again."""
    dice = random.Random(seed)
    plan: list[Fault] = []
    singles: list[Fault] = []
    while len(plan) < count:
        if len(plan) % 3 == 2:
            plan.append(both(*a_pair(faults, dice)))
            continue
        if not singles:
            singles = dice.sample(faults, len(faults))
        plan.append(singles.pop())
    return plan


def a_pair(faults: Sequence[Fault], dice: random.Random) -> tuple[Fault, Fault]:
    """Two that don't undo each other: of different parts (told by the words of their names)."""
    while True:
        one, other = dice.sample(faults, 2)
        if set(one.name.split()).isdisjoint(set(other.name.split()) - COMMON):
            return one, other
