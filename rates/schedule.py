"""When the Bank of Russia publishes: the sheet for the next day appears after 15:30 in Moscow on working days.

So sheets are for Tuesday to Saturday, and the rates of Sunday and Monday are Saturday's. Known beforehand are the
holidays that the Labour Code (article 112) names by their date; those that the government moves every year are not,
and a publication is then expected in vain.
"""

import datetime
from collections.abc import Iterator
from zoneinfo import ZoneInfo

MOSCOW = ZoneInfo("Europe/Moscow")
# The dollar and the euro are set from the trades up to this time (since 2024-06-13).
PUBLISHED_FROM = datetime.time(15, 30)
# Beat asks often until then (rates/migrations/0002): what isn't there later was not published.
PUBLISHED_BY = datetime.time(19, 0)
# (month, day)
HOLIDAYS = {(1, day) for day in range(1, 9)} | {(2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)}
# Over New Year there are at most 13 days between two sheets; a rate that is older is not in force.
LONGEST_PAUSE = datetime.timedelta(days=14)
DAY = datetime.timedelta(days=1)


def today(now: datetime.datetime) -> datetime.date:
    """The day in Moscow."""
    return now.astimezone(MOSCOW).date()


def is_working_day(day: datetime.date) -> bool:
    """Monday to Friday, without the holidays that are known by their date."""
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS


def next_publication(now: datetime.datetime) -> datetime.datetime:
    """The next time after `now` (aware) from which a new sheet is expected, in Moscow's time."""
    local = now.astimezone(MOSCOW)
    day = local.date()
    while not is_working_day(day) or _from(day) <= local:
        day += DAY
    return _from(day)


def expected_sheet(now: datetime.datetime, *, by: datetime.time = PUBLISHED_FROM) -> datetime.date:
    """The day of the newest sheet that can be there at `now`; with `by=PUBLISHED_BY`, that has to be there."""
    local = now.astimezone(MOSCOW)
    day = local.date()
    while not is_working_day(day) or datetime.datetime.combine(day, by, MOSCOW) > local:
        day -= DAY
    return day + DAY


def sheet_days(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    """The days from `first` to `last` for which a sheet is expected: those after working days."""
    # Whole numbers, for the first and last days of the calendar have no neighbour.
    for number in range(max(first.toordinal(), 2), last.toordinal() + 1):
        if is_working_day(datetime.date.fromordinal(number - 1)):
            yield datetime.date.fromordinal(number)


def sheet_before(date: datetime.date) -> datetime.date:
    """The day of the sheet that is expected before the one of `date`."""
    *_, last = sheet_days(date - LONGEST_PAUSE, date - DAY)
    return last


def _from(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, PUBLISHED_FROM, MOSCOW)
