"""What a row of the table is: how one peer is measured once, and what the figures have to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .figures import number, ratios, spread
from .peers import Peer

Figures = dict[str, float]
#: Figures of a peer, round by round; None where it didn't come to the end.
Rounds = Sequence[Figures | None]
Results = Mapping[str, Rounds]


@dataclass(frozen=True)
class Scale:
    """How much is measured: `quick` is a smoke test whose figures mean nothing."""

    quick: bool = False
    tasks: int = 1_000_000

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Figure:
    """`compared` where ours by another peer's says something: not for what is mostly 0."""

    key: str
    title: str
    unit: str = ""
    compared: bool = True


@dataclass(frozen=True)
class Target:
    """A figure of `peer` by itself, or by that of `against`; `worst` takes the worst round instead of the median."""

    key: str
    against: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    worst: bool = False
    peer: str = "ours"
    note: str = ""

    def text(self, title: str, against: str) -> str:
        sign, bound = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        of = f" × {against}" if self.against else ""
        return f"{title} {sign} {number(bound or 0.0)}{of}{f' ({self.note})' if self.note else ''}"

    def measured(self, results: Results) -> tuple[str, bool | None]:
        """As text, and whether it is reached; None where there is nothing to judge by."""
        values = self._values(results)
        found = spread(values)
        if found is None:
            return "–", None
        value = found.median
        if self.worst:
            value = found.low if self.at_least is not None else found.high
        reached = value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)
        complete = all(round is not None for round in results.get(self.peer, ()))
        return found.text("×" if self.against else ""), reached and complete

    def missed(self, results: Results, margin: float) -> bool:
        """Whether the median is off by more than this factor; what wasn't measured is missed too."""
        found = spread(self._values(results))
        if found is None:
            return True
        if self.at_least is not None:
            return found.median < self.at_least / margin
        return found.median > (self.at_most or 0.0) * margin

    def _values(self, results: Results) -> list[float]:
        ours = column(results.get(self.peer, ()), self.key)
        if self.against is None:
            return [value for value in ours if value is not None]
        return ratios(ours, column(results.get(self.against, ()), self.key))


def column(rounds: Rounds, key: str) -> list[float | None]:
    return [None if figures is None else figures.get(key) for figures in rounds]


#: (brokers, peer, name, scale) of the transport's rows, (stand, scale) of the service's.
Measure = Callable[..., Figures]


@dataclass(frozen=True)
class Row:
    """`measure` gets a name that no other measurement has. Raises Unfinished and Absent."""

    name: str
    title: str
    peers: Sequence[Peer]
    measure: Measure
    figures: Sequence[Figure]
    targets: Sequence[Target]
    slow: bool = False  # only when it is asked for
    rounds: int | None = None  # instead of what is asked for
