"""How much a rate has changed since the sheet before it, on unit rates: a new nominal is no jump."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rates.force import rates_in_force
from rates.models import Rate
from rates.money import exact_unit_value

# Per cent are rounded to these, half to even.
PERCENT_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class RateChange:
    """A rate, and how one unit of the currency has changed; None where the sheet before it lacks it or is missing."""

    rate: Rate
    previous_date: datetime.date | None = None
    # Roubles for one unit, exact.
    absolute: Decimal | None = None
    percent: Decimal | None = None

    @property
    def of_nominal(self) -> Decimal | None:
        """`absolute` for as many units as the rate itself is told for."""
        return None if self.absolute is None else self.absolute * self.rate.nominal


def with_changes(day: datetime.date | None = None, codes: Sequence[str] | None = None) -> list[RateChange]:
    """The rates in force on `day` (without it, of the newest stored sheet), ordered by code; [] where none is stored.

    `codes` are upper case; those that have no rate are left out.
    """
    rates = rates_in_force(day, codes)
    by_date: dict[datetime.date, list[str]] = {}
    for rate in rates:
        by_date.setdefault(rate.date, []).append(rate.currency.char_code)
    previous = {
        (date, rate.currency_id): rate for date, present in by_date.items() for rate in _day_before(date, present)
    }
    return [change(rate, previous.get((rate.date, rate.currency_id))) for rate in rates]


def change(rate: Rate, previous: Rate | None) -> RateChange:
    """`rate` beside the one before it."""
    if previous is None:
        return RateChange(rate)
    before = exact_unit_value(previous.value, previous.nominal)
    absolute = exact_unit_value(rate.value, rate.nominal) - before
    percent = (absolute / before * 100).quantize(PERCENT_PLACES)
    return RateChange(rate, previous.date, absolute, percent)


def _day_before(date: datetime.date, codes: Sequence[str]) -> list[Rate]:
    if date == datetime.date.min:
        return []
    return rates_in_force(date - datetime.timedelta(days=1), codes)
