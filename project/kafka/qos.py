"""Which delivered messages are not acknowledged yet, and whether more may be delivered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kombu.exceptions import OperationalError

from . import meter
from .buffer import Record

logger = logging.getLogger(__name__)


#: Why a message is among the dead letters that a worker has rejected: the worker's log says more.
REJECTED = "rejected by the application, not to be put back (a task that it does not know, or Reject)"


class QoS:
    """kombu's quality of service: a prefetch limit, and the fate of each delivered message.

    Messages may be acknowledged from any thread, in any order.
    """

    def __init__(self, requeue: Callable[[Record, Any], None], bury: Callable[[Record, str], None]) -> None:
        self.prefetch_count = 0
        self._bury = bury
        self._requeue = requeue
        self._delivered: dict[int, tuple[Record, Any]] = {}

    def can_consume(self) -> bool:
        return not self.prefetch_count or len(self._delivered) < self.prefetch_count

    def can_consume_max_estimate(self) -> int | None:
        return max(0, self.prefetch_count - len(self._delivered)) if self.prefetch_count else None

    def append(self, message: Any, delivery_tag: int, record: Record) -> None:
        self._delivered[delivery_tag] = record, message
        meter.change("in_flight", record.topic, 1)

    def get(self, delivery_tag: int) -> Any:
        return self._delivered[delivery_tag][1]

    def ack(self, delivery_tag: int) -> None:
        entry = self._delivered.pop(delivery_tag, None)
        if entry is not None:
            entry[0].finish()
            meter.count("acknowledged", entry[0].topic)
            meter.change("in_flight", entry[0].topic, -1)

    def reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Finish the message, after a copy is safely among the dead letters, or at the end of its queue (`requeue`)."""
        if requeue:
            entry = self._delivered.get(delivery_tag)
            if entry is not None and not self._stored_again(*entry):
                del self._delivered[delivery_tag]
                meter.change("in_flight", entry[0].topic, -1)
                return
            self.ack(delivery_tag)
        elif (rejected := self._delivered.pop(delivery_tag, None)) is not None:
            meter.change("in_flight", rejected[0].topic, -1)
            self._bury(rejected[0], REJECTED)

    def _stored_again(self, record: Record, message: Any) -> bool:
        """Whether a copy is at the end of the queue. Otherwise the record itself comes again, here and at once."""
        try:
            self._requeue(record, message)
        except OperationalError as error:
            logger.warning("%s: a message could not be put back, it is tried again here: %s", record.topic, error)
            record.consumer.put_back(record)
            return False
        return True

    def restore_unacked(self) -> None:
        """Requeue everything unacknowledged."""
        for delivery_tag in tuple(self._delivered):
            self.reject(delivery_tag, requeue=True)

    def clear(self) -> None:
        """Forget all: the group gives what is unfinished to another member."""
        for delivery_tag in tuple(self._delivered):
            if (entry := self._delivered.pop(delivery_tag, None)) is not None:
                meter.change("in_flight", entry[0].topic, -1)
