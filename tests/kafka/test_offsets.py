"""The offset tracker against a model: what was published, what is finished, what a crash may repeat."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from project.kafka.offsets import METADATA_BYTES, LogWentBack, PartitionTracker, decode, encode


class Partition(RuleBasedStateMachine):
    """One partition with its log and the group's stored commit, and one member that comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.next_offset = 0
        self.finished: set[int] = set()  # by anybody
        self.running: list[int] = []  # of the present member
        self.stored: tuple[int, str] | None = None
        self.covered: set[int] = set()  # finished when the stored commit was made
        self.seen_when_stored: set[int] = set()
        self.join()

    def join(self) -> None:
        self.tracker = PartitionTracker(*(self.stored or (None, "")))
        self.fetched = self.stored[0] if self.stored else 0
        self.running = []
        # What this member knows. What the one before it saw and did after its last commit died with it.
        self.known_finished = set(self.covered)
        self.known_delivered = set(self.seen_when_stored)

    @rule(gap=st.integers(0, 3))
    def publish(self, gap: int) -> None:
        self.next_offset += gap  # offsets of transactions' marks and compacted records are missing
        self.log.append(self.next_offset)
        self.next_offset += 1

    @rule(count=st.integers(1, 5))
    def poll(self, count: int) -> None:
        for offset in [offset for offset in self.log if offset >= self.fetched][:count]:
            self.fetched = offset + 1
            redelivered = self.tracker.arrive(offset)
            if redelivered is None:
                assert offset in self.covered, "only what is finished may be passed over"
            else:
                assert offset not in self.covered, "what the commit says is finished must not run again"
                assert redelivered == (offset in self.seen_when_stored)
                self.tracker.start(offset)
                self.running.append(offset)
                self.known_delivered.add(offset)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.running))
        self.running.remove(offset)
        self.tracker.finish(offset)
        self.finished.add(offset)
        self.known_finished.add(offset)

    @rule()
    def commit(self) -> None:
        position = self.tracker.position()
        if position is not None:
            self.stored = position
            self.covered = set(self.known_finished)
            self.seen_when_stored = set(self.known_delivered)
            self.tracker.dirty = False

    @rule()
    def crash(self) -> None:
        self.join()

    @rule()
    def leave(self) -> None:
        self.commit()
        self.join()

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        """The broker deletes a finished record."""
        done = [offset for offset in self.log if offset in self.finished]
        if done:
            self.log.remove(data.draw(st.sampled_from(done)))

    @invariant()
    def nothing_unfinished_is_behind_the_commit(self) -> None:
        position = self.tracker.position()
        if position is not None:
            assert all(offset in self.finished for offset in self.log if offset < position[0])
            unfinished, end = decode(*position)
            assert set(unfinished) >= {
                offset for offset in self.log if position[0] <= offset < end and offset not in self.finished
            }
            assert self.tracker.running == len(self.running)


TestPartition = Partition.TestCase


def test_a_log_that_went_back_is_not_passed_over() -> None:
    tracker = PartitionTracker(30)
    assert tracker.arrive(30) is False
    with pytest.raises(LogWentBack):
        tracker.arrive(0)
    with pytest.raises(LogWentBack):
        PartitionTracker(30).arrive(12)


@given(st.sets(st.integers(0, 3000), min_size=1), st.integers(0, 50))
def test_metadata_survives_the_trip(unfinished: set[int], more: int) -> None:
    offsets = sorted(unfinished)
    end = offsets[-1] + 1 + more
    metadata = encode(offsets[0], OrderedDict.fromkeys(offsets), end)
    assert len(metadata) <= METADATA_BYTES
    assert decode(offsets[0], metadata) == (offsets, end)


def test_metadata_that_would_be_too_long_forgets_only_finished_work() -> None:
    offsets = list(range(0, 20_000, 2))
    metadata = encode(0, OrderedDict.fromkeys(offsets), 20_000)
    assert len(metadata) <= METADATA_BYTES
    unfinished, end = decode(0, metadata)
    assert unfinished == [offset for offset in offsets if offset < end]
    assert end > 1000


@given(st.text(max_size=60))
def test_foreign_metadata_says_nothing_and_harms_nothing(metadata: str) -> None:
    for text in (metadata, "k1:" + metadata):
        unfinished, end = decode(7, text)
        assert end >= 7
        assert all(7 <= offset < end for offset in unfinished)


def test_a_span_that_would_fill_the_memory_is_foreign() -> None:
    assert decode(0, "k1:zzzzzzzz") == ([], 0)
