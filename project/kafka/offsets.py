"""What of one partition is finished: the only place that decides which offset may be committed.

Kafka remembers one number per group and partition: the offset to go on from. Tasks finish in any order, so only the
*contiguous* finished prefix may be committed; what is finished beyond it rides in the commit's metadata, so that a
crash repeats only what was truly unfinished. confluentinc/parallel-consumer has the idea.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from .metadata import METADATA_BYTES, Position, decode

#: After this many crashes in a row, records are handed out one at a time, so that the one that kills is found out.
CAREFUL_AFTER = 2
#: What the worker that crashed had begun and not yet stored: as many more records are under suspicion.
BEYOND = 64


class LogWentBack(Exception):
    """An offset came that was before one that has come already: the topic was deleted and made again, or cut off."""


class PartitionTracker:
    """Tracks the records of one partition from their arrival to their end. Not thread-safe: its owner locks.

    `committed` and `metadata` are what the group has stored, or None and "" where it has stored nothing.
    """

    def __init__(self, committed: int | None = None, metadata: str = "") -> None:
        stored = Position(0, 0) if committed is None else decode(committed, metadata)
        self._unfinished: OrderedDict[int, None] = OrderedDict.fromkeys(stored.unfinished)
        self._expected = deque(stored.unfinished)  # unfinished before we got the partition, not yet seen by us
        #: The offset after the last one ever delivered; None: nothing known.
        self._end = None if committed is None else stored.end
        self._running: set[int] = set()
        self._blamed: set[int] = set()
        self._deliveries = stored.deliveries
        self._runs_size = 0  # of the metadata when it was last encoded, and what was finished since may add at most
        self._before = (committed or 0) - 1  # the last offset that came, or would have
        self._count_crash(stored.crashes)
        #: Changed since the last commit. From the beginning: the commit also tells that somebody has the partition.
        self.dirty = self._end is not None
        self.owned = False  # what is stored says that somebody has the partition, so that a crash is noticed
        self.begin = 0  # what is before it was purged, and needs nothing more

    def _count_crash(self, crashes: int | None) -> None:
        self.crashes = 0 if crashes is None else crashes + 1
        self._on_trial = len(self._unfinished) + BEYOND if self.crashes else 0

    def reassign(self, committed: int | None, metadata: str) -> None:
        """The partition was lost and comes back: what finished here meanwhile still is, and what runs here runs on."""
        stored = Position(0, 0) if committed is None else decode(committed, metadata)
        end = self._end or 0
        there = set(stored.unfinished)
        kept = {offset for offset in self._unfinished if offset >= stored.end or offset in there}
        kept.update(offset for offset in stored.unfinished if offset >= end)
        self._unfinished = OrderedDict.fromkeys(sorted(kept))
        self._running &= kept
        self._deliveries = {
            offset: max(self._deliveries.get(offset, 0), stored.deliveries.get(offset, 0)) for offset in kept
        }
        self._expected = deque(offset for offset in self._unfinished if offset not in self._running)
        if committed is not None or self._end is not None:
            self._end = max(end, stored.end)
        self._before = (committed or 0) - 1
        self.dirty = self._end is not None
        self.owned = False
        self.begin = 0

    # --- a record's life --------------------------------------------------------------------------------------------

    def arrive(self, offset: int) -> bool | None:
        """A record came from the broker: None where it needs nothing more, else whether it is a redelivery.

        Raises LogWentBack where this tracker's knowledge is of another log than the record.
        """
        if offset <= self._before:
            raise LogWentBack(f"offset {offset} after {self._before}")
        self._before = offset
        while self._expected and self._expected[0] < offset:
            # The log no longer holds it (deleted or compacted): waiting for it would hold up commits for ever.
            self.finish(self._expected.popleft())
        if offset < self.begin and offset not in self._running:
            if self._expected and self._expected[0] == offset:
                self._expected.popleft()
            self._end = max(self._end or 0, offset + 1)
            self.finish(offset)
            return None
        if self._end is not None and offset < self._end:
            if offset not in self._unfinished or offset in self._running:
                return None
            if self._expected and self._expected[0] == offset:
                self._expected.popleft()
            return True
        self._unfinished[offset] = None
        self._end = offset + 1
        self.dirty = True
        return False

    def deliveries(self, offset: int) -> int:
        """How often the record has been handed to the application."""
        return self._deliveries.get(offset, 0)

    def start(self, offset: int) -> None:
        """The record is handed to the application; said twice, it is one delivery."""
        if offset in self._running:
            return
        self._running.add(offset)
        self._deliveries[offset] = self._deliveries.get(offset, 0) + 1
        self.dirty = True
        if self._on_trial:
            self._on_trial -= 1
            if not self._on_trial:
                self.crashes = 0

    def release(self, offset: int) -> None:
        """The record came back from the application undelivered."""
        if offset in self._running:
            self._running.discard(offset)
            self._deliveries[offset] -= 1
            self.dirty = True

    def blame(self, offset: int) -> None:
        """The record was too much for the application: its delivery counts whatever happens now."""
        if offset in self._running:
            self._blamed.add(offset)

    def finish(self, offset: int) -> None:
        """The application is done with the record, whatever came of it."""
        self._running.discard(offset)
        self._blamed.discard(offset)
        self._unfinished.pop(offset, None)
        self._deliveries.pop(offset, None)
        self._runs_size += 4  # two short numbers, where it makes a gap
        self.dirty = True

    @property
    def running(self) -> int:
        """How many records the application has and hasn't finished."""
        return len(self._running)

    def runs(self, offset: int) -> bool:
        """Whether the application has the record."""
        return offset in self._running

    @property
    def unfinished(self) -> int:
        return len(self._unfinished)

    # --- what is known of it, and to be stored ----------------------------------------------------------------------

    @property
    def careful(self) -> bool:
        """Whether something in this partition seems to kill workers, so that its records go out one at a time."""
        return self.crashes >= CAREFUL_AFTER

    def crowded(self, limit: int = METADATA_BYTES) -> bool:
        """Whether the metadata nears its limit: take no more until some of the first are finished.

        What it tells of already has to come again first: that makes it no longer.
        """
        return not self._expected and limit >= 64 and self._runs_size > limit * 5 // 8

    def position(self, limit: int = METADATA_BYTES, leaving: bool = False) -> tuple[int, str] | None:
        """The offset to commit and at most `limit` bytes of metadata; None where nothing is known yet.

        Who leaves in order takes back the deliveries of what it hands over: nothing was wrong with those, but for
        what is to blame for the end.
        """
        if self._end is None:
            return None
        offset = next(iter(self._unfinished), self._end)
        deliveries = self._deliveries
        if leaving:
            innocent = self._running - self._blamed
            back = {offset: deliveries[offset] - 1 for offset in innocent if offset in deliveries}
            deliveries = {**deliveries, **back}
        position = Position(offset, self._end, list(self._unfinished), deliveries, None if leaving else self.crashes)
        metadata, self._runs_size = position.encode(limit)
        return offset, metadata
