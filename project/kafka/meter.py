"""What the transport counts, for whoever wants to know: `use` a Meter of yours. Without one nothing is counted.

    class Printer:
        def count(self, name, topic, amount): print(name, topic, amount)
        …
    meter.use(Printer())

It is called from several threads, in the middle of the work: it has to be quick, and must neither block nor raise.
"""

from __future__ import annotations

from typing import Literal, Protocol

Count = Literal[
    "published",  # messages that the broker has confirmed
    "publish_failed",  # messages that it did not confirm in time, or refused
    "delivered",  # messages handed to the application
    "redelivered",  # of those: messages that were handed out before, here or by a worker that died
    "acknowledged",  # messages that the application has finished
    "requeued",  # messages put back at the end of their queue
    "expired",  # messages dropped because of their age
    "dead_lettered",  # records put among the dead letters
    "committed",  # commits that the broker has stored; one is about many messages
    "commit_failed",  # commits that it has not; they are repeated
    "partitions_lost",  # partitions that the group gave to others without asking, as after an outage
]
Level = Literal[
    "in_flight",  # messages that the application has and hasn't finished
]
Timing = Literal[
    "publish",  # seconds from a publish to its confirmation
]


class Meter(Protocol):
    def count(self, name: Count, topic: str, amount: int) -> None:
        """`amount` more of something."""

    def change(self, name: Level, topic: str, by: int) -> None:
        """So many more, or fewer, than before, of what can go up and down."""

    def time(self, name: Timing, topic: str, seconds: float) -> None:
        """How long something took."""


_meter: Meter | None = None


def use(meter: Meter | None) -> None:
    """From now on, in this process and those that it forks."""
    global _meter
    _meter = meter


def count(name: Count, topic: str, amount: int = 1) -> None:
    if _meter is not None:
        _meter.count(name, topic, amount)


def change(name: Level, topic: str, by: int) -> None:
    if _meter is not None:
        _meter.change(name, topic, by)


def time(name: Timing, topic: str, seconds: float) -> None:
    if _meter is not None:
        _meter.time(name, topic, seconds)
