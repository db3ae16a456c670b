"""A chart of one currency's history, drawn by matplotlib's Figure: nothing of it is shared between requests."""

import io
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import escape

from rates.money import plain
from rates.points import Point
from rates.schedule import LONGEST_PAUSE

Kind = Literal["svg", "png"]
DPI = 120
# In inches of 72 points; the letters have the same size in both, so that a phone's are read as well.
WIDE, NARROW = (8.0, 4.2), (4.4, 3.3)
# More points than the picture has columns only cost time: then every n-th is drawn, and the last.
MOST_POINTS = 1500
TEXTS = {
    "ru": {"axis": "Рублей за {nominal}", "empty": "За эти дни курсов нет", "alt": "Точек: {count}, {first} — {last}"},
    "en": {
        "axis": "Roubles for {nominal}",
        "empty": "No rates for these days",
        "alt": "Points: {count}, {first} — {last}",
    },
}
# matplotlib's fonts and text layout are shared by all threads.
_drawing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Colours:
    """Line and text stand out from the background by at least 4.5 to 1."""

    background: str
    text: str
    grid: str
    line: str


LIGHT = Colours("#ffffff", "#24292f", "#d0d7de", "#0550ae")
DARK = Colours("#161b22", "#e6edf3", "#30363d", "#79c0ff")


def chart(
    points: Sequence[Point],
    *,
    title: str,
    kind: Kind = "svg",
    language: str = "ru",
    dark: bool = False,
    narrow: bool = False,
) -> bytes:
    """A line of `points` (oldest first) as an SVG, whose words are text, or a PNG.

    The PNG has 960 × 504 pixels, a narrow one 528 × 396.
    The same points give the same bytes. The axis is for the nominal of the last point, so that numbers stay readable
    and a change of the nominal is no jump. Without points it is a picture that says so.
    """
    texts = TEXTS.get(language, TEXTS["en"])
    colours = DARK if dark else LIGHT
    drawn = points[:: len(points) // MOST_POINTS + 1]
    if points and drawn[-1] is not points[-1]:
        drawn = [*drawn, points[-1]]
    with _drawing:
        body = _save(_figure(drawn, title, texts, colours, NARROW if narrow else WIDE), kind)
    return body if kind == "png" else _accessible(body, title, _in_words(points, texts))


def _figure(
    points: Sequence[Point], title: str, texts: dict[str, str], colours: Colours, size: tuple[float, float]
) -> Any:
    # Imported when a chart is first drawn: it takes a second and 40 MB, which most processes never need.
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DPI, facecolor=colours.background, layout="constrained")
    axes = figure.add_subplot(facecolor=colours.background)
    axes.set_title(title, color=colours.text, loc="left", parse_math=False)
    axes.tick_params(colors=colours.text, length=0)
    axes.spines[:].set_visible(False)
    axes.grid(axis="y", color=colours.grid, linewidth=0.8)
    if not points:
        axes.set_axis_off()
        axes.text(0.5, 0.5, texts["empty"], color=colours.text, ha="center", va="center", transform=axes.transAxes)
        return figure
    nominal = points[-1].nominal
    # Only the picture is drawn with binary fractions.
    days = list(date2num([point.date for point in points]))
    values = [float(point.unit_value * nominal) for point in points]
    # A line over a gap in what is stored would show rates that nobody knows; from the end, so that places stay.
    for place in range(len(points) - 1, 0, -1):
        if points[place].date - points[place - 1].date > LONGEST_PAUSE:
            days.insert(place, days[place])
            values.insert(place, math.nan)
    axes.plot(days, values, color=colours.line, linewidth=2, marker="o" if len(points) < 20 else "")
    axes.set_ylabel(texts["axis"].format(nominal=nominal), color=colours.text)
    locator = AutoDateLocator(minticks=3, maxticks=8 if size == WIDE else 5)
    axes.xaxis.set_major_locator(locator)
    # Numbers only: no month's name in the machine's language.
    formats = ["%Y", "%m.%Y", "%d.%m", "%d.%m", "%d.%m", "%d.%m"]
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, formats=formats, zero_formats=formats, offset_formats=["", "", "%Y", "", "", ""])
    )
    axes.xaxis.get_offset_text().set_color(colours.text)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    return figure


def _save(figure: Any, kind: Kind) -> bytes:
    import matplotlib

    # Text stays text, to be read and searched; ids don't depend on chance. Safe: the lock is held.
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rates"}):
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _in_words(points: Sequence[Point], texts: dict[str, str]) -> str:
    if not points:
        return texts["empty"]
    first, last = (
        f"{point.date:%d.%m.%Y} {point.nominal} = {plain(point.value)} RUB" for point in (points[0], points[-1])
    )
    return texts["alt"].format(count=len(points), first=first, last=last)


def _accessible(svg: bytes, title: str, description: str) -> bytes:
    """With a title and a description, which screen readers read instead of hundreds of shapes."""
    start = svg.index(b"<svg ")
    end = svg.index(b">", start) + 1
    tag = svg[start : end - 1] + b' role="img" aria-labelledby="chart-title chart-description">'
    words = f'<title id="chart-title">{escape(title)}</title><desc id="chart-description">{escape(description)}</desc>'
    return svg[:start] + tag + words.encode() + svg[end:]
