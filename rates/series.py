"""The series of one currency (XML_dynamic.asp), for history. It has no currency code, only the CBR's id."""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from bs4 import Tag

from rates.cbrxml import BadSheet, amount, cbr_date, read_xml, text_of, whole_number
from rates.sheets import Sheet, cbr_id_of, check_unit_rate, sheet_in


@dataclass(frozen=True, slots=True)
class SeriesRate:
    """On `date`, `nominal` units cost `value` roubles; the nominal may change within a series."""

    date: datetime.date
    nominal: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Series:
    """The rates of one currency, oldest first, perhaps none; only days on which a rate was set have one."""

    cbr_id: str
    rates: tuple[SeriesRate, ...]


def parse_series(body: bytes) -> Series:
    """The series in a reply of XML_dynamic.asp. Raises BadSheet."""
    return series_in(read_xml(body, "ValCurs"))


def parse_sheet_or_series(body: bytes) -> Sheet | Series:
    """Either of them: a series names its currency in the root element. Raises BadSheet."""
    root = read_xml(body, "ValCurs")
    return series_in(root) if root.get("ID") else sheet_in(root)


def series_in(root: Tag) -> Series:
    """The series in a ValCurs element. Raises BadSheet."""
    cbr_id = cbr_id_of(root, "ID")
    rates = tuple(_rate(record, cbr_id) for record in root.find_all("Record", recursive=False))
    first, last = (cbr_date(str(root.get(name) or "")) for name in ("DateRange1", "DateRange2"))
    days = [rate.date for rate in rates]
    if days != sorted(set(days)) or any(not first <= day <= last for day in days):
        raise BadSheet("the days of the series are not in order, or not in its range")
    return Series(cbr_id, rates)


def _rate(record: Tag, cbr_id: str) -> SeriesRate:
    if record.get("Id") != cbr_id:
        raise BadSheet(f"a record of {record.get('Id')} is in the series of {cbr_id}")
    rate = SeriesRate(
        date=cbr_date(str(record.get("Date") or "")),
        nominal=whole_number(text_of(record, "Nominal")),
        value=amount(text_of(record, "Value")),
    )
    check_unit_rate(record, rate.nominal, rate.value)
    return rate
