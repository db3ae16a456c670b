"""The table at the end, and whether a promise was broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.flow import Books, Ends

HEADINGS = ("fault", "requests", "lost", "failed", "repeated", "uncounted", "stuck", "refused", "recovered in")


@dataclass
class Window:
    """One fault and what was asked for from its begin to the next one's. `recovery` is None where it never came."""

    fault: str
    recovery: float | None
    requests: int = 0
    lost: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    uncounted: int = 0
    stuck: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    #: Why this machine can't do it.
    not_run: str = ""

    @property
    def broken(self) -> bool:
        return bool(self.lost or self.failed or self.uncounted or self.stuck or self.recovery is None)

    def cells(self) -> list[str]:
        if self.not_run:
            return [self.fault, f"not run: {self.not_run}", *[""] * (len(HEADINGS) - 2)]
        recovery = "never" if self.recovery is None else f"{self.recovery:.1f} s"
        return [
            *[self.fault, str(self.requests), str(self.lost), told(self.failed), str(self.repeated)],
            *[str(self.uncounted), str(self.stuck), told(self.refused), recovery],
        ]


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "0"


def count(windows: Sequence[Window], books: Books, ends: Ends, messages: Counter[int]) -> None:
    """Lost: no message and no failure in the log. Repeated: more than one message; `uncounted` where the log doesn't
    show that it may be. Stuck: not ended."""
    for one in books.accepted:
        window = windows[one.window]
        window.requests += 1
        status, got = ends.status.get(one.id), messages[one.person]
        if status == "failed":
            window.failed[ends.code[one.id]] += 1
        elif status == "delivered":
            window.lost += not got
        elif status is None:
            window.lost += 1
        else:
            window.stuck += 1
        window.repeated += got > 1
        window.uncounted += got > 1 + ends.possible_repeats.get(one.id, 0)
    for (number, name), how_many in books.refused.items():
        windows[number].refused[name] += how_many


def table(windows: Sequence[Window]) -> str:
    rows = [list(HEADINGS), *(window.cells() for window in windows)]
    # A reason for not running is longer than any figure, and stands in the last cell of its row that isn't empty.
    widths = [max(len(row[column]) for row in rows if column == 0 or any(row[2:])) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def markdown(windows: Sequence[Window]) -> str:
    rows = [list(HEADINGS), ["---"] * len(HEADINGS), *(window.cells() for window in windows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
