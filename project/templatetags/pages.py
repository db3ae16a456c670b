"""How the pages write: both languages side by side, numbers and dates as the reader's language has them."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

from django import template
from django.template import Context
from django.utils import timezone, translation
from django.utils.formats import date_format

from project import svg
from rates.money import plain

register = template.Library()

MOSCOW = ZoneInfo("Europe/Moscow")
SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


@register.simple_tag(takes_context=True)
def say(context: Context, russian: str, english: str) -> str:
    """One of two texts: a page can't have one language without the other."""
    return english if context.get("lang") == "en" else russian


def grouped(text: str, lang: str) -> str:
    return text if lang == "en" else text.translate({ord(","): SPACE, ord("."): ","})


@register.simple_tag(takes_context=True)
def figure(context: Context, value: Decimal | int | None, places: int | None = None) -> str:
    """A number with all its digits, or with so many places: 16 317,2 in Russian, 16,317.2 in English."""
    if value is None:
        return "—"
    if isinstance(value, int):
        return grouped(f"{value:,}", context["lang"])
    text = f"{value:,.{places}f}" if places is not None else f"{Decimal(plain(value)):,f}"
    return grouped(text, context["lang"])


@register.simple_tag(takes_context=True)
def amount(context: Context, value: Decimal) -> str:
    """Just the digits that were given, without zeros at the end."""
    return grouped(f"{value.normalize():,f}", context["lang"])


@register.simple_tag(takes_context=True)
def unit(context: Context, value: Decimal) -> str:
    """Roubles for one unit: four places; where the number is small, six, or as many as show four digits of it."""
    places = 4 if abs(value) >= 1 else max(6, 3 - value.adjusted())
    short = f"{value:,.{places}f}"
    return grouped(short, context["lang"])


@register.simple_tag(takes_context=True)
def signed(context: Context, value: Decimal | None, places: int) -> str:
    """With its sign, which a screen reader says and which doesn't need colours."""
    if value is None:
        return "—"
    text = grouped(f"{abs(value):,.{places}f}", context["lang"])
    return f"{'+' if value > 0 else MINUS if value < 0 else ''}{text}"


@register.filter
def direction(value: Decimal | None) -> str:
    """A CSS class: up, down or same."""
    return "same" if not value else "up" if value > 0 else "down"


@register.filter
def arrow(value: Decimal | None) -> str:
    return "" if value is None else {"up": "▲", "down": "▼", "same": "="}[direction(value)]


@register.simple_tag(takes_context=True)
def day(context: Context, value: dt.date) -> str:
    """25.04.2026 in Russian, 25 April 2026 in English."""
    if context["lang"] != "en":
        return f"{value:%d.%m.%Y}"
    with translation.override("en"):
        return date_format(value, "j F Y")


@register.simple_tag(takes_context=True)
def moment(context: Context, value: dt.datetime) -> str:
    """Moscow's time, with the day where it isn't today."""
    local = value.astimezone(MOSCOW)
    clock = f"{local:%H:%M:%S} {'MSK' if context['lang'] == 'en' else 'МСК'}"
    if local.date() == timezone.now().astimezone(MOSCOW).date():
        return clock
    return f"{day(context, local.date())}, {clock}"


@register.simple_tag(takes_context=True)
def seconds(context: Context, value: float) -> str:
    return grouped(f"{value:,.2f}", context["lang"]) + SPACE + ("s" if context["lang"] == "en" else "с")


@register.inclusion_tag("pages/sparkline.svg")
def sparkline(values: list[Decimal]) -> dict[str, object]:
    """A small line; nothing where there is nothing to draw."""
    rising = len(values) > 1 and values[-1] - values[0]
    return {"points": svg.polyline(values, svg.SPARK), "direction": direction(rising or None), "size": svg.SPARK}
