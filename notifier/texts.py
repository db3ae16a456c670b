"""What people read: templates in settings.NOTIFIER_LANGUAGE, numbers and dates as that language writes them."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import date_format

from rates.quotes import Quote

LANGUAGES = ("ru", "en")
# Russian groups digits with a space, and one that doesn't break the line.
SPACE = "\N{NO-BREAK SPACE}"


def render(template: str, /, **context: Any) -> str:
    """The template notifier/<language>/<template>.txt, without blank ends."""
    return render_to_string(f"notifier/{settings.NOTIFIER_LANGUAGE}/{template}.txt", context).strip()


def rate(quote: Quote) -> str:
    """The message about a found rate."""
    russian = settings.NOTIFIER_LANGUAGE == "ru"
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
    if settings.NOTIFIER_LANGUAGE == "ru":
        return english.translate({ord(","): SPACE, ord("."): ","})
    return english


def date(value: dt.date) -> str:
    """25.04.2026 in Russian, 25 April 2026 in English."""
    if settings.NOTIFIER_LANGUAGE == "ru":
        return f"{value:%d.%m.%Y}"
    with translation.override("en"):
        return date_format(value, "j F Y")
