"""Which partitions librdkafka fetches: none while a member can take no more, and none whose metadata is nearly full."""

from __future__ import annotations

from collections.abc import Set

from confluent_kafka import Consumer

from .partitions import Partitions


class Pauses:
    """What is paused of a member's partitions. Only the member's thread calls anything here.

    A pause throws away what librdkafka has fetched ahead of it.
    """

    def __init__(self, consumer: Consumer, partitions: Partitions) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._crowded: set[int] = set()  # paused because of their metadata
        self._some = False
        self._all = False

    def pause_all(self) -> None:
        if not self._all:
            self._consumer.pause(self._consumer.assignment())
            self._some = self._all = True

    def resume(self) -> None:
        """Fetch what may be fetched."""
        if self._some:
            self._consumer.resume(self._consumer.assignment())
            self._some = self._all = False
            self._crowded.clear()
        partitions = self._partitions
        limit = partitions.metadata_bytes
        crowded = {number for number, tracker in partitions.trackers.items() if tracker.crowded(limit)}
        if crowded != self._crowded:
            self._consumer.pause(partitions.parts(crowded - self._crowded))
            self._consumer.resume(partitions.parts((self._crowded - crowded) & partitions.trackers.keys()))
            self._crowded = crowded

    def forget(self, numbers: Set[int]) -> None:
        """Partitions that go or come: those that come aren't paused."""
        self._crowded -= numbers
        self._all = False
