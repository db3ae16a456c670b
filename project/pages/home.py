"""The page at the root: the newest rates with their changes, the converter, and the form that sends a rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from project.pages.preferences import preference, render
from rates import store
from rates.api.queries import CODE
from rates.changes import RateChange, with_changes
from rates.conversion import Conversion, NoRate, convert
from rates.money import exact_unit_value
from rates.recent import recent

# What most people come for.
CARDS = ("USD", "EUR", "CNY")
RUB = "RUB"
# Amounts beyond these are a typing error.
MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. `change` is that of `nominal` units, `absolute` that of one, both as of the unit's rate."""

    code: str
    name: str
    nominal: int
    value: Decimal
    unit: Decimal
    change: Decimal | None
    absolute: Decimal | None
    percent: Decimal | None
    recent: Sequence[Decimal]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The newest stored sheet; `?q=` searches, `?amount=&from=&to=` converts. It never waits for the CBR."""
    return render(request, "pages/home.html", context(request))


def context(request: HttpRequest) -> dict[str, Any]:
    """What the page shows, also where a form on it was refused."""
    changes = with_changes()
    if not changes:
        return {"date": None, "may_send": may_send(request)}
    date = changes[0].rate.date
    lines = recent(date)
    english = preference(request, "lang") == "en"
    rows = [_row(change, english, lines) for change in changes]
    query = request.GET.get("q", "").strip()[:100]
    return {
        "date": date,
        "may_send": may_send(request),
        "previous_date": next((change.previous_date for change in changes if change.previous_date), None),
        "fresh": store.is_fresh(),
        "cards": [row for code in CARDS for row in rows if row.code == code],
        "rows": _found(rows, changes, query),
        "query": query,
        "codes": [RUB, *(row.code for row in rows)],
        "converter": _converter(request),
    }


def is_staff(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_staff", False))


def may_send(request: HttpRequest) -> bool:
    """Whether the form is there: who shows no token may ask only where a setting says so."""
    return settings.ALLOW_ANONYMOUS_REQUESTS or is_staff(request)


def _row(change: RateChange, english: bool, lines: dict[str, list[Decimal]]) -> Row:
    rate, currency = change.rate, change.rate.currency
    return Row(
        code=currency.char_code,
        name=(english and currency.name_en) or rate.display_name,
        nominal=rate.nominal,
        value=rate.value,
        unit=exact_unit_value(rate.value, rate.nominal),
        change=change.of_nominal,
        absolute=change.absolute,
        percent=change.percent,
        recent=lines.get(currency.char_code, []),
    )


def _found(rows: list[Row], changes: list[RateChange], query: str) -> list[Row]:
    """Those whose code or name, in either language, has every word of the query in it."""
    words = query.casefold().split()
    texts = [
        f"{row.code} {row.name} {change.rate.currency.name} {change.rate.currency.name_en}".casefold()
        for row, change in zip(rows, changes, strict=True)
    ]
    return [row for row, text in zip(rows, texts, strict=True) if all(word in text for word in words)]


def _converter(request: HttpRequest) -> dict[str, Any]:
    written = request.GET.get("amount", "100").strip()
    source, target = ((request.GET.get(name) or usual).upper()[:3] for name, usual in (("from", "USD"), ("to", RUB)))
    asked = {"amount": written, "source": source, "target": target}
    amount = _amount(written)
    if amount is None:
        return {**asked, "error": "amount"}
    for code in (source, target):
        if not CODE.fullmatch(code):
            return {**asked, "error": code}
    try:
        done = convert(amount, source, target)
    except NoRate as error:
        return {**asked, "error": error.char_code}
    legs = [leg for leg in (done.source_rate, done.target_rate) if leg is not None]
    return {**asked, "done": done, "legs": legs, "places": _places(done)}


def _amount(written: str) -> Decimal | None:
    """A number as either language writes it."""
    try:
        amount = Decimal("".join(written.split()).replace(",", "."))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 and abs(amount.adjusted()) < MOST_DIGITS else None


def _places(done: Conversion) -> int:
    """Kopecks are enough for what is worth more than one, small amounts need more."""
    return 2 if not done.result or abs(done.result) >= 1 else 6
