"""The offset tracker against a model: what was published, what is finished, what a crash may repeat."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from project.kafka.metadata import METADATA_BYTES, Position, decode
from project.kafka.offsets import BEYOND, LogWentBack, PartitionTracker


class Partition(RuleBasedStateMachine):
    """One partition with its log and the group's stored commit, and one member that comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.next_offset = 0
        self.trimmed: set[int] = set()
        self.finished: set[int] = set()  # by anybody
        self.running: list[int] = []  # of the present member
        self.stored: tuple[int, str] | None = None
        self.covered: set[int] = set()  # finished when the stored commit was made
        self.seen_when_stored: set[int] = set()
        self.delivered_when_stored: Counter[int] = Counter()
        self.crashes_when_stored: int | None = None
        self.join()

    def join(self) -> None:
        self.tracker = PartitionTracker(*(self.stored or (None, "")))
        assert self.tracker.crashes == (0 if self.crashes_when_stored is None else self.crashes_when_stored + 1)
        self.fetched = self.stored[0] if self.stored else 0
        self.running = []
        # What this member knows. What the one before it saw and did after its last commit died with it.
        self.known_finished = set(self.covered)
        self.known_delivered = set(self.seen_when_stored)
        self.delivered = Counter(self.delivered_when_stored)

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
                assert offset in self.known_finished or offset in self.running, "only what is finished is passed over"
            else:
                assert offset not in self.known_finished, "what is known to be finished must not run again"
                assert redelivered == (offset in self.known_delivered)
                assert self.tracker.deliveries(offset) == self.delivered[offset]
                self.tracker.start(offset)
                self.delivered[offset] += 1
                self.running.append(offset)
                self.known_delivered.add(offset)

    @precondition(attrgetter("running"))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.running))
        self.running.remove(offset)
        self.end(offset)

    def end(self, offset: int) -> None:
        self.tracker.finish(offset)
        self.finished.add(offset)
        self.known_finished.add(offset)

    @precondition(attrgetter("running"))
    @rule()
    def put_back(self) -> None:
        """The last delivery was none: it is tried again at once."""
        self.tracker.release(self.running[-1])
        assert self.tracker.deliveries(self.running[-1]) == self.delivered[self.running[-1]] - 1
        self.tracker.start(self.running[-1])

    @rule()
    def commit(self, leaving: bool = False) -> None:
        position = self.tracker.position(leaving=leaving)
        if position is not None:
            self.stored = position
            self.covered = set(self.known_finished)
            self.seen_when_stored = set(self.known_delivered)
            self.delivered_when_stored = self.delivered - Counter(self.running if leaving else ())
            self.crashes_when_stored = None if leaving else self.tracker.crashes
            self.tracker.dirty = False

    @rule()
    def crash(self) -> None:
        self.join()

    @rule()
    def leave(self) -> None:
        self.commit(leaving=True)
        self.join()

    @rule(polled=st.integers(0, 4), in_order=st.booleans(), data=st.data())
    def lose_and_regain(self, polled: int, in_order: bool, data: st.DataObject) -> None:
        """The group takes the partition for dead; another member has it for a while, and then it comes back."""
        mine = self.tracker, self.running, self.known_finished, self.known_delivered, self.delivered
        self.join()
        self.poll(polled)
        for offset in data.draw(st.lists(st.sampled_from(self.running), unique=True)) if self.running else ():
            self.running.remove(offset)
            self.end(offset)
        self.commit(leaving=in_order)
        # What the other one found to be gone from the log runs here, maybe, but there is nothing to commit of it.
        gone = {offset for offset in self.trimmed if offset < self.fetched}
        self.tracker, self.running, known_finished, known_delivered, delivered = mine
        self.tracker.reassign(*(self.stored or (None, "")))
        self.fetched = self.stored[0] if self.stored else 0
        self.known_finished = known_finished | self.covered
        done = self.covered | gone
        self.running = [offset for offset in self.running if offset >= self.fetched and offset not in done]
        self.known_delivered = known_delivered | self.seen_when_stored
        self.delivered = delivered | self.delivered_when_stored

    @precondition(attrgetter("log"))
    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        """The broker deletes a finished record."""
        done = [offset for offset in self.log if offset in self.finished]
        if done:
            offset = data.draw(st.sampled_from(done))
            self.log.remove(offset)
            self.trimmed.add(offset)

    @invariant()
    def nothing_unfinished_is_behind_the_commit(self) -> None:
        position = self.tracker.position()
        if position is not None:
            assert all(offset in self.finished for offset in self.log if offset < position[0])
            known = decode(*position)
            assert set(known.unfinished) >= {
                offset for offset in self.log if position[0] <= offset < known.end and offset not in self.finished
            }
            assert self.tracker.running == len(self.running)


TestPartition = Partition.TestCase


def test_what_another_member_found_deleted_is_not_waited_for_when_the_partition_comes_back() -> None:
    mine, other = PartitionTracker(), PartitionTracker()
    for tracker, offsets in ((mine, (0, 1)), (other, (0, 2))):
        for offset in offsets:
            assert tracker.arrive(offset) is False
            tracker.start(offset)
    mine.reassign(*(other.position() or (0, "")))
    assert mine.running == 1
    mine.finish(1)
    assert (mine.position() or (0,))[0] == 0
    mine.finish(0)
    assert (mine.position() or (0,))[0] == 2


def test_a_log_that_went_back_is_not_passed_over() -> None:
    tracker = PartitionTracker(30)
    assert tracker.arrive(30) is False
    with pytest.raises(LogWentBack):
        tracker.arrive(0)
    with pytest.raises(LogWentBack):
        PartitionTracker(30).arrive(12)


@given(
    st.dictionaries(st.integers(0, 3000), st.integers(0, 40), min_size=1),
    st.integers(0, 50),
    st.none() | st.integers(0, 99),
)
def test_metadata_survives_the_trip(deliveries: dict[int, int], more: int, crashes: int | None) -> None:
    offsets = sorted(deliveries)
    delivered = {offset: count for offset, count in deliveries.items() if count}
    position = Position(offsets[0], offsets[-1] + 1 + more, offsets, delivered, crashes)
    metadata, _ = position.encode()
    assert len(metadata) <= METADATA_BYTES
    assert decode(offsets[0], metadata) == position


def test_metadata_that_would_be_too_long_forgets_only_finished_work() -> None:
    offsets = list(range(0, 20_000, 2))
    metadata, _ = Position(0, 20_000, offsets, dict.fromkeys(offsets, 1), 3).encode()
    assert len(metadata) <= METADATA_BYTES
    known = decode(0, metadata)
    assert known.unfinished == [offset for offset in offsets if offset < known.end]
    assert known.end > 1000
    assert known.crashes == 3


def test_nothing_to_tell_takes_no_bytes() -> None:
    assert Position(7, 7).encode() == ("", 0)


@given(st.text(max_size=60))
def test_foreign_metadata_says_nothing_and_harms_nothing(metadata: str) -> None:
    for text in (metadata, "k1:" + metadata, "k1:1;" + metadata, "k1:3,1;0;" + metadata):
        known = decode(7, text)
        assert known.end >= 7
        assert all(7 <= offset < known.end for offset in known.unfinished)
        assert known.deliveries.keys() <= set(known.unfinished)


def test_a_task_that_hangs_while_millions_end_behind_it_makes_none_of_them_forgotten() -> None:
    position = Position(7, 50_000_000, [7, 40_000_000], {7: 1})
    assert decode(7, position.encode()[0]) == position


def test_a_span_that_would_fill_the_memory_is_foreign() -> None:
    assert decode(0, "k1:zzzzzzzz") == Position(0, 0)
    assert decode(0, "k1:1;0;zzzzzzzz.1") == Position(0, 0)


def test_crashes_in_a_row_make_careful_until_enough_has_gone_well() -> None:
    tracker = PartitionTracker(5)
    for crashes in (1, 2):
        offset, metadata = tracker.position() or (0, "")
        tracker = PartitionTracker(offset, metadata)
        assert tracker.crashes == crashes
    assert tracker.careful
    for offset in range(5, 5 + BEYOND):
        assert tracker.careful
        tracker.arrive(offset)
        tracker.start(offset)
        tracker.finish(offset)
    assert not tracker.careful
    assert PartitionTracker(*(tracker.position() or (0, ""))).crashes == 1


def test_who_leaves_in_order_leaves_no_crash_behind() -> None:
    tracker = PartitionTracker(5)
    tracker.arrive(5)
    tracker.start(5)
    after = PartitionTracker(*(tracker.position(leaving=True) or (0, "")))
    assert (after.crashes, after.deliveries(5), after.arrive(5)) == (0, 0, True)


def test_what_was_purged_needs_nothing_more_but_what_runs_does() -> None:
    tracker = PartitionTracker(10, Position(10, 14, [10, 11, 13]).encode()[0])
    assert tracker.arrive(10) is True
    tracker.start(10)
    tracker.begin = 20
    assert [tracker.arrive(offset) for offset in (11, 13, 14, 15)] == [None] * 4
    assert tracker.arrive(20) is False
    position = tracker.position()
    assert position is not None
    assert decode(*position).unfinished == [10, 20]
    tracker.finish(10)
    position = tracker.position()
    assert position is not None
    assert position[0] == 20
