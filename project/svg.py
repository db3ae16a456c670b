"""Coordinates of the small drawings in the pages; the templates have the SVG itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


SPARK = Size(96, 28)
BARS = Size(720, 160)
# So that a line's own thickness isn't cut off.
MARGIN = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart, from the bottom up, with a part of it that is marked (what failed)."""

    x: float
    width: float
    y: float
    height: float
    marked_y: float
    marked_height: float


def polyline(values: Sequence[Decimal], size: Size) -> str:
    """The `points` of a line through equally spaced values; "" for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = float(min(values)), float(max(values))
    step = (size.width - 2 * MARGIN) / (len(values) - 1)
    inner = size.height - 2 * MARGIN
    heights = [(float(value) - low) / (high - low) if high > low else 0.5 for value in values]
    return " ".join(
        f"{MARGIN + index * step:.1f},{MARGIN + (1 - height) * inner:.1f}" for index, height in enumerate(heights)
    )


def bars(values: Sequence[tuple[int, int]], size: Size) -> list[Bar]:
    """Bars of (whole, marked part of it), the highest as high as the drawing."""
    most = max((whole for whole, _ in values), default=0) or 1
    step = size.width / max(len(values), 1)
    return [_bar(index * step, step, size, whole / most, marked / most) for index, (whole, marked) in enumerate(values)]


def _bar(x: float, step: float, size: Size, whole: float, marked: float) -> Bar:
    return Bar(
        x=round(x + step * 0.1, 2),
        width=round(step * 0.8, 2),
        y=round(size.height * (1 - whole), 2),
        height=round(size.height * whole, 2),
        marked_y=round(size.height * (1 - marked), 2),
        marked_height=round(size.height * marked, 2),
    )
