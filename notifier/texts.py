"""What people read: templates in a language, numbers and dates as that language writes them.

The language is that of the block one is in (`speaking`), else settings.NOTIFIER_LANGUAGE.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import date_format

from notifier.models import Alert
from rates.quotes import Quote

LANGUAGES = ("ru", "en")
# Russian groups digits with a space, and one that doesn't break the line.
SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


_spoken: ContextVar[str] = ContextVar("language", default="")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """All texts within are in this language, also those of threads and tasks that are begun within."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def language() -> str:
    return _spoken.get() or settings.NOTIFIER_LANGUAGE


def render(template: str, /, **context: Any) -> str:
    """The template notifier/<language>/<template>.txt, without blank ends."""
    return render_to_string(f"notifier/{language()}/{template}.txt", context).strip()


def rate(quote: Quote) -> str:
    """The message about a found rate."""
    russian = language() == "ru"
    return render(
        "rate",
        name=quote.name if russian else quote.name_en or quote.name,
        char_code=quote.char_code,
        nominal=number(quote.nominal),
        is_one=quote.nominal == 1,
        value=number(quote.value),
        unit_value=number(quote.unit_value),
        date=date(quote.date),
        fresh=quote.fresh,
    )


def not_found(char_code: str, sheet_date: dt.date, fresh: bool) -> str:
    """The message that the sheet lacks the currency."""
    return render("not_found", char_code=char_code, date=date(sheet_date), fresh=fresh)


def error(code: str, detail: str = "") -> str:
    """Why a request failed, for the log and the API."""
    return render("error", code=code, detail=detail)


def number(value: int | Decimal) -> str:
    """All digits, never an exponent: 1 000 000 and 0,0054 in Russian, 1,000,000 and 0.0054 in English."""
    english = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    if language() == "ru":
        return english.translate({ord(","): SPACE, ord("."): ","})
    return english


def date(value: dt.date) -> str:
    """25.04.2026 in Russian, 25 April 2026 in English."""
    if language() == "ru":
        return f"{value:%d.%m.%Y}"
    with translation.override("en"):
        return date_format(value, "j F Y")


def signed(value: Decimal) -> str:
    """With + or a real minus sign; zero has none."""
    return f"{'+' if value > 0 else MINUS if value < 0 else ''}{number(abs(value))}"


def clock(value: dt.time) -> str:
    return f"{value:%H:%M}"


def alert(row: Alert) -> str:
    """USD > 95, USD ±2 %."""
    threshold = number(
        row.threshold.quantize(Decimal(1))
        if row.threshold == row.threshold.to_integral()
        else row.threshold.normalize()
    )
    if row.kind == "change":
        return f"{row.char_code} ±{threshold}{SPACE}%"
    return f"{row.char_code} {'>' if row.kind == 'above' else '<'} {threshold}"
