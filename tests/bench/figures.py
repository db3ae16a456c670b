"""The arithmetic: ratios are taken in each round, where both sides met the same machine, and then their median."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, with the lowest and the highest of them."""

    median: float
    low: float
    high: float

    def text(self, unit: str = "") -> str:
        if self.low == self.high:
            return f"{number(self.median)}{unit}"
        return f"{number(self.median)}{unit} ({number(self.low)}–{number(self.high)})"


def spread(values: Sequence[float]) -> Spread | None:
    """None where no round has a value."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    """Ours by theirs, round by round; a round that one side has no figure for says nothing."""
    return [mine / other for mine, other in zip(ours, theirs, strict=False) if mine is not None and other]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values don't exceed (nearest rank). Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def longest_gap(times: Sequence[float]) -> float:
    """The longest time between two neighbours; 0 for less than two."""
    ordered = sorted(times)
    return max((after - before for before, after in itertools.pairwise(ordered)), default=0.0)


def number(value: float) -> str:
    """Three digits that matter, thousands with a gap: 0.0123, 1.23, 12.3, 1 234."""
    if value == 0 or abs(value) >= 100 or value == int(value):
        return f"{round(value):,}".replace(",", " ")
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{digits}f}"
