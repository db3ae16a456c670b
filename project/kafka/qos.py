"""Which delivered messages are not acknowledged yet, and whether more may be delivered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .consumer import Record


class QoS:
    """kombu's quality of service: a prefetch limit, and the fate of each delivered message.

    Messages may be acknowledged from any thread, in any order.
    """

    def __init__(self, requeue: Callable[[Record, Any], None]) -> None:
        self.prefetch_count = 0
        self._requeue = requeue
        self._delivered: dict[int, tuple[Record, Any]] = {}

    def can_consume(self) -> bool:
        return not self.prefetch_count or len(self._delivered) < self.prefetch_count

    def can_consume_max_estimate(self) -> int | None:
        return max(0, self.prefetch_count - len(self._delivered)) if self.prefetch_count else None

    def append(self, message: Any, delivery_tag: int, record: Record) -> None:
        self._delivered[delivery_tag] = record, message

    def get(self, delivery_tag: int) -> Any:
        return self._delivered[delivery_tag][1]

    def ack(self, delivery_tag: int) -> None:
        entry = self._delivered.pop(delivery_tag, None)
        if entry is not None:
            entry[0].finish()

    def reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Finish the message; with `requeue` after a copy is safely at the end of its queue.

        Raises PublishFailed where the copy can't be stored: the message then stays unfinished.
        """
        if requeue:
            entry = self._delivered.get(delivery_tag)
            if entry is not None:
                self._requeue(*entry)
        self.ack(delivery_tag)

    def restore_unacked(self) -> None:
        """Requeue everything unacknowledged."""
        for delivery_tag in tuple(self._delivered):
            self.reject(delivery_tag, requeue=True)

    def clear(self) -> None:
        """Forget all: the group gives what is unfinished to another member."""
        self._delivered.clear()
