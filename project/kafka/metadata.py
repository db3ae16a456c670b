"""What rides in a commit's metadata beside the offset, as text of at most some thousand bytes.

``k1:<runs>;<crashes>;<deliveries>``, numbers in base 36, empty parts at the end left out:

- run lengths from the committed offset on, unfinished ones first: ``1,5,2`` at offset 100 says that 100 was unfinished,
  101–105 finished, 106–107 unfinished, and 108 never seen;
- while a worker has the partition, how many before it crashed in a row; nothing once it has left in order, so that
  whoever finds a number there knows of one more crash;
- how often the unfinished ones, in order, have been handed to a task, as ``<how many>.<deliveries>``: ``8.1,1.3``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

VERSION = "k1:"
#: Brokers refuse more by default (offset.metadata.max.bytes).
METADATA_BYTES = 4096
#: Nobody has so many unfinished records; more are not ours, and to list them could take all memory. Of those that are
#: finished there may be any number: a task that hangs for days leaves millions behind it.
MAX_UNFINISHED = 10_000_000
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class Position:
    """How far a group has come in one partition."""

    offset: int
    end: int  #: after the last one known
    unfinished: list[int] = field(default_factory=list)  #: in order, all before `end`
    deliveries: dict[int, int] = field(default_factory=dict)  #: of unfinished ones, where there was any
    crashes: int | None = None  #: None: whoever had it left in order

    def encode(self, limit: int = METADATA_BYTES) -> tuple[str, int]:
        """The metadata, and how many bytes of it are runs.

        Where they don't fit, finished work at the end and deliveries are forgotten: that can only repeat some.
        """
        runs, known = _runs(self, limit - 32)
        owned = "" if self.crashes is None else base36(self.crashes)
        text = ",".join(base36(run) for run in runs)
        size = len(text)
        counts = ",".join(f"{base36(many)}.{base36(count)}" for many, count in self._counts(known))
        if len(text) + len(counts) > limit - 16:
            counts = ""
        text = ";".join((text, owned, counts)).rstrip(";")
        return (VERSION + text if text else ""), size

    def _counts(self, known: int) -> Iterator[tuple[int, int]]:
        """Run lengths of the deliveries, up to the last one that had any."""
        if not self.deliveries:
            return
        counts = [self.deliveries.get(offset, 0) for offset in self.unfinished[:known]]
        while counts and not counts[-1]:
            counts.pop()
        for count, group in groupby(counts):
            yield sum(1 for _ in group), count


def decode(offset: int, metadata: str) -> Position:
    """What was stored with a commit at `offset`. Foreign metadata says nothing."""
    nothing = Position(offset, offset)
    if not metadata.startswith(VERSION):
        return nothing
    runs_text, owned, counts, *_ = [*metadata[len(VERSION) :].split(";"), "", ""]
    try:
        runs = [int(run, 36) for run in runs_text.split(",")] if runs_text else []
        crashes = int(owned, 36) if owned else None
        deliveries = [(int(many, 36), int(count, 36)) for many, count in _pairs(counts)]
    except ValueError:
        return nothing
    if min(runs, default=0) < 0 or sum(runs[::2]) > MAX_UNFINISHED or (crashes or 0) < 0:
        return nothing
    if any(many < 0 or count < 0 for many, count in deliveries):
        return nothing
    if sum(many for many, _ in deliveries) > MAX_UNFINISHED:
        return nothing
    unfinished, end = _expand(offset, runs)
    return Position(offset, end, unfinished, _assign(unfinished, deliveries), crashes)


def _runs(position: Position, limit: int) -> tuple[list[int], int]:
    """The runs that fit, and how many unfinished offsets they tell of."""
    runs: list[int] = []
    size = known = 0
    at = position.offset
    for first, length in _stretches(position.unfinished):
        piece = [first - at, length] if runs else [length]  # the committed offset itself is the first unfinished
        size += sum(len(base36(number)) + 1 for number in piece)
        if size > limit:
            return runs, known
        runs += piece
        known += length
        at = first + length
    if runs and position.end > at:
        runs.append(position.end - at)
    return runs, known


def _stretches(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(first, length) of each stretch of offsets without a gap."""
    for _, group in groupby(enumerate(offsets), key=lambda pair: pair[1] - pair[0]):
        stretch = [offset for _, offset in group]
        yield stretch[0], len(stretch)


def _expand(offset: int, runs: list[int]) -> tuple[list[int], int]:
    unfinished: list[int] = []
    for index, length in enumerate(runs):
        if index % 2 == 0:
            unfinished.extend(range(offset, offset + length))
        offset += length
    return unfinished, offset


def _pairs(counts: str) -> Iterator[tuple[str, str]]:
    for pair in counts.split(",") if counts else ():
        many, _, count = pair.partition(".")
        yield many, count


def _assign(unfinished: list[int], counts: list[tuple[int, int]]) -> dict[int, int]:
    deliveries: dict[int, int] = {}
    at = 0
    for many, count in counts:
        if count:
            deliveries.update(dict.fromkeys(unfinished[at : at + many], count))
        at += many
    return deliveries


def base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
        if not number:
            return digits
