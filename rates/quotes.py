"""The public door of this application: the rate of one currency, now."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rates.catalogue import english_name
from rates.money import exact_unit_value, plain
from rates.newest import newest


class UnknownCurrency(Exception):
    """The newest sheet lacks the code: tell the person. `date` and `fresh` are the sheet's, as in Quote."""

    def __init__(self, char_code: str, date: datetime.date, fresh: bool) -> None:
        super().__init__(char_code, date, fresh)
        self.char_code, self.date, self.fresh = char_code, date, fresh

    def __str__(self) -> str:
        return f"The sheet of {self.date} has no {self.char_code}"


class NoRates(Exception):
    """The CBR could not be asked and nothing is stored: try again later. The text says why."""


@dataclass(frozen=True, slots=True)
class Quote:
    """`nominal` units of a currency cost `value` roubles on `date`."""

    char_code: str
    # In Russian, as the sheet has it; in English as the CBR's catalogue has it, "" where it hasn't.
    name: str
    name_en: str
    nominal: int
    value: Decimal
    # The day that the sheet is for.
    date: datetime.date
    # False: the CBR could not be asked just now, and the newest stored sheet serves.
    fresh: bool

    @property
    def unit_value(self) -> Decimal:
        """Roubles for one unit, exact, without trailing zeros; print it with `:f`."""
        return exact_unit_value(self.value, self.nominal)

    def to_json(self) -> dict[str, Any]:
        """Plain data: decimals as strings, the date in ISO form."""
        return {
            "char_code": self.char_code,
            "name": self.name,
            "name_en": self.name_en,
            "nominal": self.nominal,
            "value": plain(self.value),
            "unit_value": f"{self.unit_value:f}",
            "date": self.date.isoformat(),
            "fresh": self.fresh,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Quote":
        """The quote that `to_json` wrote."""
        return cls(
            char_code=data["char_code"],
            name=data["name"],
            name_en=data["name_en"],
            nominal=data["nominal"],
            value=Decimal(data["value"]),
            date=datetime.date.fromisoformat(data["date"]),
            fresh=data["fresh"],
        )


def newest_quote(char_code: str) -> Quote:
    """The rate of `char_code` ("USD") from the newest sheet there is. Raises UnknownCurrency, NoRates."""
    answer = newest()
    if answer.sheet is None:
        raise NoRates(answer.reason)
    rate = answer.sheet.find(char_code)
    if rate is None:
        raise UnknownCurrency(char_code, answer.sheet.date, answer.fresh)
    return Quote(
        char_code=rate.char_code,
        name=rate.name,
        name_en=english_name(rate.cbr_id),
        nominal=rate.nominal,
        value=rate.value,
        date=answer.sheet.date,
        fresh=answer.fresh,
    )
