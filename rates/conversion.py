"""Converting amounts between two currencies, or one and the rouble, at the rates of one sheet."""

import datetime
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from rates.force import rates_of_one_day, sheet_date
from rates.models import Rate
from rates.money import exact_unit_value

RUB = "RUB"
# The result is rounded once, at the end, half to even, to this.
RESULT_PLACES = Decimal("1e-12")
# Enough for the products of the largest amounts and rates without any rounding before the end.
EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


class NoRate(Exception):
    """There is no rate of `char_code` for `day` (None: in the newest sheet)."""

    def __init__(self, char_code: str, day: datetime.date | None) -> None:
        super().__init__(char_code, day)
        self.char_code, self.day = char_code, day

    def __str__(self) -> str:
        return f"No rate of {self.char_code} is stored{f' for {self.day}' if self.day else ''}."


@dataclass(frozen=True, slots=True)
class Leg:
    """The rate that one side was converted with: `nominal` units cost `value` roubles, one costs `unit_value`."""

    char_code: str
    nominal: int
    value: Decimal
    unit_value: Decimal


@dataclass(frozen=True, slots=True)
class Conversion:
    """`amount` of `source` is `result` of `target` at the rates for `date`; a rate is None for the rouble."""

    amount: Decimal
    source: str
    target: str
    result: Decimal
    date: datetime.date
    source_rate: Leg | None
    target_rate: Leg | None


def convert(amount: Decimal, source: str, target: str, day: datetime.date | None = None) -> Conversion:
    """`amount` (at most 30 digits) of one currency in another, codes in upper case, RUB included.

    At the rates in force on `day`, without it at those of the newest stored sheet. Raises NoRate.
    """
    codes = [code for code in dict.fromkeys((source, target)) if code != RUB]
    legs = {rate.currency.char_code: rate for rate in rates_of_one_day(codes, day)}
    for code in codes:
        if code not in legs:
            raise NoRate(code, day)
    date = legs[codes[0]].date if codes else sheet_date(day)
    if date is None:
        raise NoRate(RUB, day)
    source_rate, target_rate = _leg(legs.get(source)), _leg(legs.get(target))
    result = _result(amount, source_rate, target_rate)
    return Conversion(amount, source, target, result, date, source_rate, target_rate)


def _result(amount: Decimal, source: Leg | None, target: Leg | None) -> Decimal:
    up = EXACT.multiply(amount, (source.value if source else Decimal(1)) * (target.nominal if target else 1))
    down = (target.value if target else Decimal(1)) * (source.nominal if source else 1)
    return EXACT.quantize(EXACT.divide(up, down), RESULT_PLACES)


def _leg(rate: Rate | None) -> Leg | None:
    if rate is None:
        return None
    return Leg(rate.currency.char_code, rate.nominal, rate.value, exact_unit_value(rate.value, rate.nominal))
