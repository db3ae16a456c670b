"""The table of rates that a chat has chosen: for /rates and for the daily digest."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from notifier import texts
from rates.catalogue import bundled_catalogue
from rates.changes import RateChange, with_changes
from rates.status import status

# Of a change: four places, as the Bank prints rates; per cent have two.
PLACES, PERCENT_PLACES = Decimal("0.0001"), Decimal("0.01")


def text(codes: Sequence[str]) -> str:
    """The newest stored rates of these currencies with their change, as plain text."""
    found = {change.rate.currency.char_code: change for change in with_changes(codes=list(codes))}
    rows = [line(found[code]) for code in codes if code in found]
    missing = [code for code in codes if code not in found]
    date = next((texts.date(change.rate.date) for change in found.values()), "")
    return texts.render("bot/digest", rows=rows, missing=missing, date=date, fresh=status().fresh)


def line(change: RateChange) -> dict[str, Any]:
    """What the template needs of one rate."""
    rate = change.rate
    # The table shows the rate as the Bank prints it, so the change is for the nominal too.
    absolute = change.of_nominal
    return {
        "code": rate.currency.char_code,
        "nominal": texts.number(rate.nominal),
        "is_one": rate.nominal == 1,
        "value": texts.number(four_places(rate.value)),
        "up": bool(absolute and absolute > 0),
        "down": bool(absolute and absolute < 0),
        "absolute": "" if absolute is None else texts.signed(absolute.quantize(PLACES)),
        "percent": "" if change.percent is None else texts.signed(change.percent.quantize(PERCENT_PLACES)),
    }


def four_places(value: Decimal) -> Decimal:
    """As the Bank prints it; longer where it has more digits."""
    exact = value.normalize().as_tuple().exponent
    return value.normalize() if isinstance(exact, int) and exact < -4 else value.quantize(PLACES)


def name(char_code: str) -> str:
    """The currency's name in the language spoken, "" where the catalogue lacks it."""
    found = next((one for one in bundled_catalogue().values() if one.char_code == char_code), None)
    if found is None:
        return ""
    return found.name if texts.language() == "ru" else found.name_en
