"""The daily sheet (XML_daily.asp): bytes in, exact figures out, or a reason why not.

The facts about the format were measured on recorded replies, see rates/data/README.md.
"""

import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bs4 import Tag

from rates.cbrxml import (
    BadSheet,
    amount,
    cbr_date,
    children_of,
    read_xml,
    russian_name,
    text_of,
    unit_amount,
    whole_number,
)

__all__ = ["BadSheet", "Sheet", "SheetRate", "parse_sheet"]


@dataclass(frozen=True, slots=True)
class SheetRate:
    """One line of a sheet: `nominal` units of `char_code` cost `value` roubles."""

    cbr_id: str
    num_code: str
    char_code: str
    nominal: int
    name: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Sheet:
    """All rates of one day; `date` is the day that the sheet is for, in the evening already tomorrow."""

    date: datetime.date
    rates: tuple[SheetRate, ...]

    def find(self, char_code: str) -> SheetRate | None:
        return next((rate for rate in self.rates if rate.char_code == char_code), None)


def parse_sheet(body: bytes) -> Sheet:
    """The sheet in a reply of XML_daily.asp. Raises BadSheet: a sheet is taken whole or not at all."""
    return sheet_in(read_xml(body, "ValCurs"))


def sheet_in(root: Tag) -> Sheet:
    """The sheet in a ValCurs element. Raises BadSheet."""
    if not root.get("Date"):
        raise BadSheet("the sheet has no date")
    rates = tuple(_rate(valute) for valute in children_of(root, "Valute"))
    if not rates:
        raise BadSheet("the sheet has no currencies")
    _refuse_duplicates(rate.char_code for rate in rates)
    _refuse_duplicates(rate.cbr_id for rate in rates)
    return Sheet(cbr_date(str(root["Date"])), rates)


def _rate(valute: Tag) -> SheetRate:
    char_code = text_of(valute, "CharCode")
    if not (len(char_code) == 3 and char_code.isascii() and char_code.isalpha() and char_code.isupper()):
        raise BadSheet(f"{char_code[:40]!r} is no currency code")
    rate = SheetRate(
        cbr_id=cbr_id_of(valute, "ID"),
        num_code=_num_code(text_of(valute, "NumCode")),
        char_code=char_code,
        nominal=whole_number(text_of(valute, "Nominal")),
        name=russian_name(text_of(valute, "Name")),
        value=amount(text_of(valute, "Value")),
    )
    check_unit_rate(valute, rate.nominal, rate.value)
    return rate


def cbr_id_of(tag: Tag, attribute: str) -> str:
    """The CBR's id of a currency, an opaque string such as R01090B. Raises BadSheet."""
    cbr_id = str(tag.get(attribute) or "").strip()
    if not 0 < len(cbr_id) <= 16:
        raise BadSheet(f"a {tag.name} has no {attribute}")
    return cbr_id


def check_unit_rate(tag: Tag, nominal: int, value: Decimal) -> None:
    """VunitRate, where it is there, must be about value / nominal. Raises BadSheet: one of the three is wrong.

    In all records so far it is exactly that; a nominal that is no power of ten would make it a rounded one.
    """
    if not children_of(tag, "VunitRate"):
        return
    if abs(unit_amount(text_of(tag, "VunitRate")) * nominal - value) > value / 1000:
        raise BadSheet(f"a unit rate is not its value divided by its nominal: {value} / {nominal}")


def _num_code(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise BadSheet(f"{text[:40]!r} is no currency number")
    return text.zfill(3)


def _refuse_duplicates(keys: Iterable[str]) -> None:
    key, times = Counter(keys).most_common(1)[0]
    if times > 1:
        raise BadSheet(f"{key} is in the sheet {times} times")
