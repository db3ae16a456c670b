"""Consuming in order: by the time of publishing within a topic, and by priority among the levels of a queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, Message

from .buffer import OrderedBuffer, Record
from .consumer import BATCH, GroupConsumer
from .options import Options
from .trim import Trimmer

#: A level that waits while higher ones are served gets every so manieth message, so that none starves.
SHARE = 16
#: How long messages wait, when consuming begins, for those of higher levels to be there too, in seconds.
HOLD = 5.0
#: librdkafka's default; see consumer.py.
FETCH_WAIT = 500


class OrderedConsumer(GroupConsumer):
    """A member whose records, of all partitions that it has, are taken in the order of their publishing.

    It is settled when each partition has reported a record or that there is none. With `held`, whatever is ready
    is announced again and again, because it may not be taken yet.
    """

    _buffer_type = OrderedBuffer

    def __init__(
        self,
        topic: str,
        config: Mapping[str, Any],
        options: Options,
        notify: Callable[[], None],
        trimmer: Trimmer | None = None,
        held: bool = False,
    ) -> None:
        self.held = held
        self._reporting: set[int] = set()  # what this poll brings
        self._reported: set[int] = set()
        # It is settled once each partition was heard of, and one that comes may have to wait for a fetch's end.
        own = {"fetch.wait.max.ms": FETCH_WAIT, **config, "enable.partition.eof": True}
        super().__init__(topic, own, options, notify, trimmer)

    @property
    def has_ready(self) -> bool:
        return self._buffer.has_ready

    def is_settled(self) -> bool:
        with self._changed:
            return self.settled()

    def settled(self) -> bool:
        full = self._full_since is not None and not self._retiring
        return super().settled() and (full or self._reported.issuperset(self._partitions.trackers))

    def _poll(self, timeout: float, batch: int = BATCH) -> None:
        super()._poll(timeout, batch)
        with self._changed:
            # Not before: only now the records of this poll are ready.
            self._reported |= self._reporting
            self._reporting.clear()
            self._changed.notify_all()  # for await_settled
        if self.held:
            self._notify()

    def _arrive(self, message: Message) -> Record | None:
        error = message.error()
        ended = error is not None and error.code() == KafkaError._PARTITION_EOF
        if error is None or ended:
            self._reporting.add(message.partition() or 0)
        return None if ended else super()._arrive(message)


class PriorityConsumer:
    """The members of a queue's levels as one: what is ready of a higher level goes first."""

    def __init__(self, consumers: Sequence[OrderedConsumer]) -> None:
        """`consumers` from the highest level down, all of them `held`."""
        self._consumers = tuple(consumers)
        self._passed_over = [0] * len(consumers)
        self._hold_until: float | None = None
        self._holding = True

    def take(self) -> Record | None:
        """The next record, None where none is ready. Raises what ended a level's thread."""
        if self._holding and self._hold():
            return None
        starved = [rank for rank, passed in enumerate(self._passed_over) if passed >= SHARE]
        for rank in (*starved, *range(len(self._consumers))):
            record: Record | None = self._consumers[rank].take()
            if record is not None:
                self._count(rank)
                return record
        return None

    def _count(self, served: int) -> None:
        self._passed_over[served] = 0
        for rank in range(served + 1, len(self._consumers)):
            if self._consumers[rank].has_ready:
                self._passed_over[rank] += 1

    def _hold(self) -> bool:
        """Whether a higher level may have messages, from before we came, that are not here yet."""
        now = time.monotonic()
        if self._hold_until is None and any(consumer.has_ready for consumer in self._consumers):
            self._hold_until = now + HOLD
        late = self._hold_until is not None and now > self._hold_until
        self._holding = not late and not all(consumer.is_settled() for consumer in self._consumers)
        if not self._holding:
            for consumer in self._consumers:
                consumer.held = False
        return self._holding

    def await_settled(self, deadline: float) -> None:
        for consumer in self._consumers:
            consumer.await_settled(deadline)

    def retire(self) -> None:
        for consumer in self._consumers:
            consumer.retire()

    def revive(self) -> bool:
        """Take back `retire`; False where it is too late for one of them: then all leave."""
        if all(consumer.revive() for consumer in self._consumers):
            return True
        self.stop()
        return False

    def stop(self) -> None:
        for consumer in self._consumers:
            consumer.stop()

    def join(self, deadline: float) -> None:
        for consumer in self._consumers:
            consumer.join(deadline)
