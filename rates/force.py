"""Which rates are in force on a day: those of the newest sheet that is for this day or an earlier one.

A gap in what is stored is not bridged: between two sheets, a rate counts for as long as the Bank may really pause
(`LONGEST_PAUSE`). After the newest sheet it counts until there is a newer one.
"""

import datetime
from collections.abc import Sequence

from rates.models import Rate, StoredSheet
from rates.schedule import LONGEST_PAUSE
from rates.store import newest_stored_date, rates_on


def sheet_date(day: datetime.date | None = None) -> datetime.date | None:
    """The date of the sheet that is in force on `day`, or of the newest one; None where none is stored."""
    newest = newest_stored_date()
    if day is None or newest is None or day >= newest:
        return newest
    found = StoredSheet.objects.filter(date__lte=day).order_by("-date").values_list("date", flat=True).first()
    return found if found and day - found <= LONGEST_PAUSE else None


def rates_in_force(day: datetime.date | None = None, codes: Sequence[str] | None = None) -> list[Rate]:
    """The rates in force on `day`, or those of the newest sheet, ordered by code, each with its currency.

    Of single currencies (`codes`, upper case) there may be rates of later days than the sheet's, from their history.
    """
    sheet = sheet_date(day)
    if codes is None or day is None:
        rates = rates_on(sheet)
        return list(rates if codes is None else rates.filter(currency__char_code__in=codes))
    newest: dict[str, Rate] = {}
    for rate in rates_between(_oldest(day, sheet), day, codes):
        newest[rate.currency.char_code] = rate
    return [newest[code] for code in sorted(newest)]


def rates_of_one_day(codes: Sequence[str], day: datetime.date | None = None) -> list[Rate]:
    """The rates in force on `day` of all of `codes`, from one and the same sheet; what it lacks is missing."""
    sheet = sheet_date(day)
    if day is None:
        return rates_in_force(None, codes)
    by_date: dict[datetime.date, list[Rate]] = {}
    for rate in rates_between(_oldest(day, sheet), day, codes):
        by_date.setdefault(rate.date, []).append(rate)
    # The sheet itself, where no later day has them all.
    return max(by_date.values(), key=lambda rates: (len(rates), rates[0].date), default=[])


def rates_between(first: datetime.date, last: datetime.date, codes: Sequence[str]) -> list[Rate]:
    """The stored rates of some currencies from `first` to `last`, oldest first."""
    rates = Rate.objects.select_related("currency").filter(currency__char_code__in=codes)
    return list(rates.filter(date__gte=first, date__lte=last).order_by("date", "currency__char_code"))


def _oldest(day: datetime.date, sheet: datetime.date | None) -> datetime.date:
    """The oldest day of which a rate may be in force on `day`: what the sheet lacks ended before it."""
    if sheet:
        return sheet
    return datetime.date.fromordinal(max(day.toordinal() - LONGEST_PAUSE.days, 1))
