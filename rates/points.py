"""The history of one currency: what is stored of it, and what of it is still to be asked for."""

import datetime
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from rates import cache, schedule
from rates.cbr import CbrUnavailable, fetch_series
from rates.force import rates_between
from rates.history import save_series
from rates.models import AskedRange, Currency, StoredSheet
from rates.money import exact_unit_value

logger = logging.getLogger(__name__)

LOCK_KEY = "rates:history:lock"
FAILED_KEY = "rates:history:failed"
# The longest that one call waits for others' questions, and for each of its own.
WAIT_SECONDS = 5.0
# After this no further part of a long range is asked for.
ALL_SECONDS = 8.0
# A CBR that doesn't answer is asked again after this.
FAILURE_SECONDS = 30.0
# What one question asks for: ten years of one currency are a third of a megabyte.
PART = datetime.timedelta(days=3653)
# The service has no rates before this day (the first one for which it has the dollar's).
FIRST_DAY = datetime.date(1992, 7, 1)
# Of days that may still get a rate, nothing is asked again for so long.
RECENT = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Point:
    """On `date`, the sheet's, `nominal` units cost `value` roubles and one costs `unit_value`."""

    date: datetime.date
    nominal: int
    value: Decimal
    unit_value: Decimal


def points(code: str, start: datetime.date, end: datetime.date, *, fetch: bool = False) -> list[Point]:
    """The rates of `code` (upper case) from `start` to `end`, both included, oldest first.

    With `fetch` the CBR is first asked for the days of which nothing is known, once, and the answer is stored.
    Raises CbrUnavailable where it can't be asked: without `fetch` the stored ones are told.
    """
    if fetch and (currency := Currency.objects.filter(char_code=code).first()):
        fetch_missing(currency, start, end)
    return [
        Point(rate.date, rate.nominal, rate.value, exact_unit_value(rate.value, rate.nominal))
        for rate in rates_between(start, end, [code])
    ]


def fetch_missing(currency: Currency, start: datetime.date, end: datetime.date) -> None:
    """Asks the CBR for what nobody has asked for yet, and stores it. Raises CbrUnavailable."""
    if missing_range(currency, start, end) is None:
        return
    if cache.flag(FAILED_KEY):
        raise CbrUnavailable("the CBR did not answer a moment ago")
    with cache.single_flight(WAIT_SECONDS, LOCK_KEY) as flight:
        if flight is cache.Flight.OTHERS:
            raise CbrUnavailable("another process is still asking the CBR")
        # Another may have asked for it meanwhile, or found the CBR away.
        missing = missing_range(currency, start, end)
        if missing and cache.flag(FAILED_KEY):
            raise CbrUnavailable("the CBR did not answer a moment ago")
        if missing:
            _fetch(currency, *missing)


def missing_range(
    currency: Currency, start: datetime.date, end: datetime.date
) -> tuple[datetime.date, datetime.date] | None:
    """The first and the last day of those for which a rate may exist that is not stored; None where all is known."""
    now = timezone.now()
    start, end = max(start, FIRST_DAY), min(end, schedule.expected_sheet(now))
    wanted = set(schedule.sheet_days(start, end))
    wanted -= set(StoredSheet.objects.filter(date__gte=start, date__lte=end).values_list("date", flat=True))
    wanted -= set(currency.rates.filter(date__gte=start, date__lte=end).values_list("date", flat=True))
    for asked in AskedRange.objects.filter(currency=currency, start__lte=end, end__gte=start):
        wanted = {day for day in wanted if not _is_settled(asked, day, now)}
    return (min(wanted), max(wanted)) if wanted else None


def _is_settled(asked: AskedRange, day: datetime.date, now: datetime.datetime) -> bool:
    """Whether nothing can have come for `day` since it was asked for: today's rate was published yesterday."""
    final = day <= schedule.today(asked.asked_at) or now - asked.asked_at < RECENT
    return asked.start <= day <= asked.end and final


def _fetch(currency: Currency, start: datetime.date, end: datetime.date) -> None:
    deadline = time.monotonic() + ALL_SECONDS
    for first, last in _parts(start, end):
        if time.monotonic() > deadline:
            raise CbrUnavailable("the CBR takes too long for so long a range; the rest is asked for next time")
        asked_at = timezone.now()
        try:
            series = fetch_series(currency.cbr_id, first, last, seconds=WAIT_SECONDS)
        except CbrUnavailable as error:
            logger.warning("history of %s: %s", currency, error)
            cache.set_flag(FAILED_KEY, FAILURE_SECONDS)
            raise
        with transaction.atomic():
            save_series(series, overwrite=False)
            AskedRange.objects.create(currency=currency, start=first, end=last, asked_at=asked_at)


def _parts(start: datetime.date, end: datetime.date) -> Iterator[tuple[datetime.date, datetime.date]]:
    while start <= end:
        last = min(end, start + PART)
        yield start, last
        start = last + datetime.timedelta(days=1)
