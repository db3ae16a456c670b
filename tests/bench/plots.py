"""The rows as pictures: a bar for each peer, its median, with the lowest and the highest round."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Drawing

from .figures import number, spread
from .rows import Results, Row, column

#: The same figures make the same file; letters stay letters.
SETTINGS: dict[Any, Any] = {"svg.hashsalt": "bench", "svg.fonttype": "none", "font.family": "sans-serif"}


def save(rows: Iterable[tuple[Row, Results]], folder: Path, prefix: str) -> list[Path]:
    """The first figure of each row that has several peers, as `folder`/`prefix`-ROW.svg."""
    return [
        path for row, results in rows if (path := _plot(row, results, folder / f"{prefix}-{row.name}.svg")) is not None
    ]


def _plot(row: Row, results: Results, path: Path) -> Path | None:
    figure = row.figures[0]
    found = {
        peer.title: measured
        for peer in row.peers
        if (measured := spread([v for v in column(results.get(peer.name, ()), figure.key) if v is not None]))
    }
    if len(found) < 2:
        return None
    with matplotlib.rc_context(SETTINGS):
        drawing = Drawing(figsize=(7.2, 0.5 + 0.38 * len(found)), layout="constrained")
        axes = drawing.subplots()
        medians = [one.median for one in found.values()]
        spreads = [[one.median - one.low for one in found.values()], [one.high - one.median for one in found.values()]]
        bars = axes.barh(list(found), medians, xerr=spreads, color="#4c78a8", ecolor="#555555", capsize=3)
        axes.bar_label(bars, [number(median) for median in medians], label_type="center", color="white")
        axes.invert_yaxis()
        axes.set_title(f"{row.title}: {figure.title}{figure.unit}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        drawing.savefig(path, format="svg", metadata={"Date": None})
    return path
