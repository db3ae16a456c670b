"""/chart USD 30d|1y: a picture; /history USD 30d: the same as a table."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import BufferedInputFile, Message
from django.utils import timezone

from notifier import digest, texts
from notifier.bot import words
from notifier.bot.database import database
from notifier.bot.rates import hint, short
from notifier.bot.replies import reply, send
from rates.cbr import CbrUnavailable
from rates.charts import chart
from rates.points import Point, points
from rates.schedule import today

SPAN = re.compile(
    r"(?P<count>\d{0,4})\s*(?P<unit>d|w|m|y|д|дн|дней|дня|день|н|нед|м|мес|г|год|года|лет|л)", re.IGNORECASE
)
DAYS = {"d": 1, "w": 7, "m": 30, "y": 365, "д": 1, "н": 7, "м": 30, "г": 365, "л": 365}
DEFAULT_DAYS, LEAST_DAYS, MOST_DAYS = 30, 2, 3660
# Lines of a /history; beyond it only the last day of each week, then month, is shown.
LINES = 31


@dataclass(frozen=True, slots=True)
class Period:
    """A currency, and the days that are asked for. `complete`: none is missing because the Bank can't be asked."""

    code: str
    points: Sequence[Point]
    complete: bool


def parse(text: str) -> tuple[str, int] | None:
    """("USD", 30) of "usd", "usd 30d", "доллар 1 год"; None for anything else."""
    span = re.search(rf"(?:^|\s)({SPAN.pattern})$", text.strip(), re.IGNORECASE)
    days = days_of(span.group(1)) if span else DEFAULT_DAYS
    code = words.currency(text.strip()[: span.start()] if span else text)
    return (code, days) if code and code != words.RUB and LEAST_DAYS <= days <= MOST_DAYS else None


def days_of(text: str) -> int:
    match = SPAN.fullmatch(text)
    assert match is not None, "SPAN has matched it"
    return int(match["count"] or 1) * DAYS[match["unit"][0].casefold()]


def period(code: str, days: int) -> Period:
    """The rates of the last days; those that are missing are asked of the Bank."""
    end = today(timezone.now())
    # The newest sheet is mostly tomorrow's.
    start, last = end - dt.timedelta(days=days), end + dt.timedelta(days=3)
    try:
        return Period(code, points(code, start, last, fetch=True), True)
    except CbrUnavailable:
        return Period(code, points(code, start, last), False)


async def picture(message: Message, command: CommandObject) -> None:
    found = await asked(message, command, "chart_hint")
    if found is None:
        return
    png = await database(draw, found)
    photo = BufferedInputFile(png, f"{found.code}.png")
    await message.answer_photo(photo, caption=await database(caption, found))


async def history(message: Message, command: CommandObject) -> None:
    found = await asked(message, command, "history_hint")
    if found is not None:
        await send(message, await database(table, found))


async def asked(message: Message, command: CommandObject, otherwise: str) -> Period | None:
    """The period that a command asks for, where there are rates; else this has answered."""
    wanted = parse(command.args or "")
    if wanted is None:
        await hint(message, command.args or "", otherwise)
        return None
    found = await database(period, *wanted)
    if len(found.points) < LEAST_DAYS:
        await reply(message, "no_history", char_code=found.code, complete=found.complete)
        return None
    return found


def draw(found: Period) -> bytes:
    """Takes some tenths of a second, the first a second more."""
    title = f"{digest.name(found.code) or found.code} ({found.code})"
    return chart(found.points, title=title, kind="png", language=texts.language())


def caption(found: Period) -> str:
    return texts.render("bot/chart", **summary(found))


def table(found: Period) -> str:
    rows = [
        {"date": texts.date(one.date), "value": texts.number(short(one.unit_value))} for one in thinned(found.points)
    ]
    return texts.render("bot/history", rows=rows, thinned=len(rows) < len(found.points), **summary(found))


def summary(found: Period) -> dict[str, object]:
    """From where to where a rate went: of one unit, so that a change of the nominal is none."""
    first, last = found.points[0], found.points[-1]
    percent = (last.unit_value / first.unit_value - 1) * 100
    values = [one.unit_value for one in found.points]
    return {
        "char_code": found.code,
        "name": digest.name(found.code),
        "first": texts.date(first.date),
        "last": texts.date(last.date),
        "start": texts.number(short(first.unit_value)),
        "end": texts.number(short(last.unit_value)),
        "percent": texts.signed(percent.quantize(digest.PERCENT_PLACES)),
        "low": texts.number(short(min(values))),
        "high": texts.number(short(max(values))),
        "complete": found.complete,
    }


def thinned(found: Sequence[Point]) -> Sequence[Point]:
    """At most about LINES points: all, else the last of each week, month or year."""
    by: tuple[Callable[[dt.date], object], ...] = (
        lambda day: day,
        lambda day: day.isocalendar()[:2],
        lambda day: (day.year, day.month),
        lambda day: day.year,
    )
    for key in by:
        last = list({key(one.date): one for one in found}.values())
        if len(last) <= LINES:
            return last
    return last


def make_router() -> Router:
    router = Router(name="charts")
    router.message.register(picture, Command("chart"))
    router.message.register(history, Command("history"))
    return router
