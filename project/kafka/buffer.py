"""What a member of a group has fetched and its channel hasn't taken yet.

Nothing here locks: who changes anything holds the member's lock.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .offsets import PartitionTracker
from .records import SEQUENCE, Headers, number

if TYPE_CHECKING:
    from .consumer import GroupConsumer

MAX_BYTES = 16 * 1024 * 1024
#: After repeated crashes: how long a record runs alone before the next one goes out, in seconds.
ALONE = 5.0


@dataclass(slots=True)  # not frozen: that makes each record three times as dear
class Record:
    """One record of a queue, as it came from the broker."""

    partition: int
    offset: int
    timestamp: int  #: the broker's, in milliseconds since 1970
    value: bytes
    headers: Headers
    redelivered: bool
    deliveries: int  #: how often it was handed out before, as far as is known
    consumer: GroupConsumer
    tracker: PartitionTracker

    @property
    def topic(self) -> str:
        return self.consumer.topic

    def finish(self) -> None:
        self.consumer.finish(self)

    def blame(self) -> None:
        self.consumer.blame(self)


class Buffer:
    """Records in the order in which they go out; those of partitions that seem to kill workers get ready one by one.

    It is full at `max_records`, or at MAX_BYTES of them.
    """

    def __init__(self, max_records: int) -> None:
        self._max_records = max_records
        self._ready: deque[Record] = deque()
        self._suspects: deque[Record] = deque()
        self._bytes = 0
        self._suspect: Record | None = None  # the one that is out
        self._alone_until = 0.0

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    @property
    def has_suspects(self) -> bool:
        return bool(self._suspects)

    @property
    def waits(self) -> bool:
        """Whether there is anything."""
        return bool(self._ready or self._suspects)

    @property
    def full(self) -> bool:
        return len(self._ready) + len(self._suspects) >= self._max_records or self._bytes >= MAX_BYTES

    def add(self, record: Record) -> None:
        if record.tracker.careful:
            self._suspects.append(record)
        else:
            self._add_ready(record)
        self._bytes += len(record.value)

    def _add_ready(self, record: Record) -> None:
        self._ready.append(record)

    def take(self) -> Record | None:
        if not self._ready:
            return None
        record = self._ready.popleft()
        self._bytes -= len(record.value)
        return record

    def put_back(self, record: Record) -> None:
        """It goes out again, before those that wait."""
        self._ready.appendleft(replace(record, redelivered=True))
        self._bytes += len(record.value)

    def next_suspect(self) -> Record | None:
        """The next suspect, once the one before has ended or had its time; it gets ready by `let_out`."""
        last, now = self._suspect, time.monotonic()
        runs = last is not None and last.tracker.runs(last.offset)
        if not self._suspects or (runs and now < self._alone_until):
            return None
        self._suspect, self._alone_until = self._suspects.popleft(), now + ALONE
        return self._suspect

    def let_out(self, suspect: Record) -> None:
        self._ready.append(suspect)

    def release(self) -> None:
        """What is ready counts as undelivered."""
        for record in self._ready:
            record.tracker.release(record.offset)

    def drop(self, unwanted: Callable[[Record], bool]) -> list[Record]:
        """Takes out what needn't go out any more, and returns it."""
        dropped = []
        for waiting in (self._ready, self._suspects):
            for record in [record for record in waiting if unwanted(record)]:
                waiting.remove(record)
                self._bytes -= len(record.value)
                dropped.append(record)
        return dropped

    def clear(self) -> None:
        self._ready.clear()
        self._suspects.clear()
        self._bytes = 0


class OrderedBuffer(Buffer):
    """Its records, of whatever partitions, are in the order of their publishing."""

    def _add_ready(self, record: Record) -> None:
        super()._add_ready(record)
        if len(self._ready) > 1 and _published(self._ready[-2]) > _published(record):
            insort(self._ready, self._ready.pop(), key=_published)


def _published(record: Record) -> tuple[int, int]:
    return record.timestamp, number(record.headers, SEQUENCE)
