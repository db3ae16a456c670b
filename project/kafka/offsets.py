"""What of one partition is finished: the only place that decides which offset may be committed.

Kafka remembers one number per group and partition: the offset to go on from. Tasks finish in any order, so only the
*contiguous* finished prefix may be committed; what is finished beyond it rides in the commit's metadata, so that a
crash repeats only what was truly unfinished. confluentinc/parallel-consumer has the idea.

The metadata is ``k1:`` and then run lengths in base 36, beginning with unfinished ones at the committed offset:
``k1:1,5,2`` at offset 100 says that 100 was unfinished, 101–105 finished, 106–107 unfinished, and 108 never seen.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import groupby

VERSION = "k1:"
#: Brokers refuse more by default (offset.metadata.max.bytes).
METADATA_BYTES = 4096
#: No window of ours is wider; a longer one is not ours, and expanding it could take all memory.
MAX_SPAN = 10_000_000
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class LogWentBack(Exception):
    """An offset came that was before one that has come already: the topic was deleted and made again, or cut off."""


class PartitionTracker:
    """Tracks the records of one partition from their arrival to their end. Not thread-safe: its owner locks.

    `committed` and `metadata` are what the group has stored, or None and "" where it has stored nothing.
    """

    def __init__(self, committed: int | None = None, metadata: str = "") -> None:
        unfinished, end = decode(committed, metadata) if committed is not None else ([], None)
        self._unfinished: OrderedDict[int, None] = OrderedDict.fromkeys(unfinished)
        self._expected = deque(unfinished)  # unfinished before we got the partition, not yet seen by us
        self._end = end  # the offset after the last one ever delivered; None: nothing known
        self._running: set[int] = set()
        self._metadata_size = 0  # when it was last encoded, and what was finished since may add at most
        self._before = (committed or 0) - 1  # the last offset that came, or would have
        self.dirty = False  # changed since the last commit
        self.closed = False  # the partition has gone to another member

    def arrive(self, offset: int) -> bool | None:
        """A record came from the broker: None where it is finished already, else whether it is a redelivery.

        Raises LogWentBack where this tracker's knowledge is of another log than the record.
        """
        if offset <= self._before:
            raise LogWentBack(f"offset {offset} after {self._before}")
        self._before = offset
        while self._expected and self._expected[0] < offset:
            # The log no longer holds it (deleted or compacted): waiting for it would hold up commits for ever.
            self._unfinished.pop(self._expected.popleft(), None)
            self.dirty = True
        if self._end is not None and offset < self._end:
            if offset not in self._unfinished:
                return None
            if self._expected and self._expected[0] == offset:
                self._expected.popleft()
            return True
        self._unfinished[offset] = None
        self._end = offset + 1
        self.dirty = True
        return False

    def start(self, offset: int) -> None:
        """The record was handed to the application."""
        self._running.add(offset)

    def release(self, offset: int) -> None:
        """The record came back from the application undelivered."""
        self._running.discard(offset)

    def finish(self, offset: int) -> None:
        """The application is done with the record, whatever came of it."""
        self._running.discard(offset)
        self._unfinished.pop(offset, None)
        self._metadata_size += 4  # two short numbers, where it makes a gap
        self.dirty = True

    @property
    def running(self) -> int:
        """How many records the application has and hasn't finished."""
        return len(self._running)

    @property
    def unfinished(self) -> int:
        return len(self._unfinished)

    def crowded(self, limit: int = METADATA_BYTES) -> bool:
        """Whether the metadata nears its limit: take no more until some of the first are finished."""
        return limit >= 64 and self._metadata_size > limit * 5 // 8

    def position(self, limit: int = METADATA_BYTES) -> tuple[int, str] | None:
        """The offset to commit and at most `limit` bytes of metadata; None where nothing is known yet."""
        if self._end is None:
            return None
        offset = next(iter(self._unfinished), self._end)
        metadata = encode(offset, self._unfinished, self._end, limit)
        self._metadata_size = len(metadata)
        return offset, metadata


def encode(offset: int, unfinished: OrderedDict[int, None], end: int, limit: int = METADATA_BYTES) -> str:
    """Metadata for a commit at `offset`. Too long, it forgets finished work at the end: that can only repeat it."""
    if not unfinished:
        return ""
    runs: list[str] = []
    size = len(VERSION)
    at = offset
    for _, group in groupby(enumerate(sorted(unfinished)), key=lambda pair: pair[1] - pair[0]):
        run = [value for _, value in group]
        gap = [_base36(run[0] - at)] if runs else []  # `offset` itself is the first unfinished
        piece = [*gap, _base36(len(run))]
        size += sum(len(number) + 1 for number in piece)
        if size > limit - 16:
            return VERSION + ",".join(runs) if runs else ""
        runs += piece
        at = run[-1] + 1
    if end > at:
        runs.append(_base36(end - at))
    return VERSION + ",".join(runs)


def decode(offset: int, metadata: str) -> tuple[list[int], int]:
    """Unfinished offsets in order, and the offset after the last known one. Foreign metadata says nothing."""
    if not metadata.startswith(VERSION):
        return [], offset
    try:
        runs = [int(run, 36) for run in metadata[len(VERSION) :].split(",")]
    except ValueError:
        return [], offset
    if min(runs) < 0 or sum(runs) > MAX_SPAN:
        return [], offset
    unfinished: list[int] = []
    for index, length in enumerate(runs):
        if index % 2 == 0:
            unfinished.extend(range(offset, offset + length))
        offset += length
    return unfinished, offset


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
        if not number:
            return digits
