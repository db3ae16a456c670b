"""What is done to the service: each fault begins, lasts, and ends."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.service import Service
from tests.standins.telegram import Failure

#: Calls of the Bot API that fail, until the fault ends.
MANY = 1_000_000
#: How long a part stands still or is cut off, in seconds: longer than a Kafka group waits for a member that is silent.
STOPPED, CUT = 4.0, 12.0
#: How far a clock jumps, in seconds: Kafka refuses what is more than an hour ahead.
JUMP = 7200


def nothing() -> None:
    """A killed part is restarted by its keeper."""


@dataclass(frozen=True)
class Fault:
    """What happens to `subject`; `seconds` lie between its begin and its end."""

    subject: str
    what: str
    begin: Callable[[], None]
    end: Callable[[], None] = nothing
    seconds: float = 0.5

    @property
    def name(self) -> str:
        return f"{self.subject} {self.what}"


def both(one: Fault, other: Fault) -> Fault:
    """A pair at the same time; the second begins and ends last."""

    def begin() -> None:
        one.begin()
        other.begin()

    def end() -> None:
        one.end()
        other.end()

    return Fault(one.name, f"+ {other.name}", begin, end, max(one.seconds, other.seconds))


def catalogue(service: Service) -> list[Fault]:
    """Every single fault that this service can have."""
    return [
        *of_parts(service),
        *of_kafka(service),
        *of_redis(service),
        *of_postgres(service),
        *of_the_others(service),
        *cut_off(service),
        *of_clocks(service),
    ]


def of_parts(service: Service) -> Iterator[Fault]:
    for name, part in service.parts.all.items():
        yield Fault(name, "killed", part.kill)
        yield Fault(name, "restarted", part.restart)
        yield stopped(name, part.send)
        if name.startswith("worker"):
            yield Fault(name, "has a pool process killed", part.kill_child)


def of_kafka(service: Service) -> Iterator[Fault]:
    kafka = service.kafka
    for node in range(service.nodes):
        name = service.kafka_name(node)
        again = restarting(service, node)
        yield Fault(name, "killed", lambda node=node: kafka.kill(node), again, 3)  # type: ignore[misc]
        yield Fault(name, "restarted", lambda node=node: kafka.stop_node(node), again)  # type: ignore[misc]
        yield stopped(name, lambda signum, node=node: kafka.send(node, signum))  # type: ignore[misc]
        if service.small_disks:
            yield Fault(
                name,
                "has a full disk",
                lambda node=node: kafka.fill(node),  # type: ignore[misc]
                lambda node=node: kafka.free(node),  # type: ignore[misc]
                6,
            )


def restarting(service: Service, node: int) -> Callable[[], None]:
    return lambda: service.kafka.restart(node)


def of_redis(service: Service) -> Iterator[Fault]:
    redis, host = service.redis, service.host("Redis")

    def start() -> None:
        with host.inside():
            redis.start()

    yield Fault("Redis", "killed", redis.kill, start, 3)
    yield Fault("Redis", "restarted", redis.stop, start)
    yield stopped("Redis", lambda signum: redis.process.send_signal(signum))


def of_postgres(service: Service) -> Iterator[Fault]:
    server, host = service.postgres, service.host("PostgreSQL")
    if server is None:
        return

    def start() -> None:
        with host.inside():
            server.start()

    def send(signum: signal.Signals) -> None:
        server.send(signum)

    yield Fault("PostgreSQL", "killed", server.kill, start, 3)
    yield Fault("PostgreSQL", "restarted", server.end, start)
    yield stopped("PostgreSQL", send)
    yield stopped("PostgreSQL", send, CUT)


def of_the_others(service: Service) -> Iterator[Fault]:
    telegram = service.telegram
    for kind, what in (("cut", "away"), ("cut_after", "loses answers"), ("500", "answers 500"), ("slow", "slow")):
        failure = Failure(kind, times=MANY, seconds=4)
        yield Fault(
            "Telegram",
            what,
            lambda one=failure: telegram.state.failures.append(one),  # type: ignore[misc]
            telegram.state.failures.clear,
            4,
        )
    for mode, what in (("500", "answers 500"), ("slow", "slow"), ("splash", "sends a page")):
        yield Fault("the CBR", what, cbr_mode(service, mode), cbr_mode(service, "ok"), 4)


def cut_off(service: Service) -> Iterator[Fault]:
    for name, host in service.hosts.items():
        yield Fault(name, f"cut off for {CUT:g} s", host.cut, host.mend, CUT)


def of_clocks(service: Service) -> Iterator[Fault]:
    def fault(name: str, seconds: int) -> Fault:
        its = [clock for part, clock in service.clocks.items() if name in (part, "all parts")]

        def jump(by: int) -> None:
            for clock in its:
                clock.jump(by)

        what = f"with the clock {abs(seconds) / 3600:g} h {'ahead' if seconds > 0 else 'behind'}"
        return Fault(name, what, lambda: jump(seconds), lambda: jump(0), 6)

    for name in (*service.clocks, *(("all parts",) if service.clocks else ())):
        yield fault(name, JUMP)
        yield fault(name, -JUMP)


def stopped(name: str, send: Callable[[signal.Signals], None], seconds: float = STOPPED) -> Fault:
    what = f"stopped for {seconds:g} s"
    return Fault(name, what, lambda: send(signal.SIGSTOP), lambda: send(signal.SIGCONT), seconds)


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
    """Two that don't undo each other: of different parts."""
    while True:
        one, other = dice.sample(faults, 2)
        if one.subject != other.subject:
            return one, other
