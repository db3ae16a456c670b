"""How the rates are: how old, when the CBR was asked, what is missing, what is next."""

import datetime
from dataclasses import dataclass

from django.utils import timezone

from rates import schedule, store
from rates.models import StoredSheet

# How far back missed publications are told.
MISSED_FOR = datetime.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Status:
    """The CBR was last asked for its newest sheet at `asked_at` and last answered at `answered_at`."""

    newest_date: datetime.date | None
    # From the sheet's day to today's in Moscow; negative where it is tomorrow's.
    age_days: int | None
    asked_at: datetime.datetime | None
    answered_at: datetime.datetime | None
    # Of the last question; "" where it was answered.
    error: str
    # Whether the newest stored sheet is the CBR's newest, as far as was asked lately.
    fresh: bool
    next_publication: datetime.datetime
    # The days of the sheets that had to be there by now and aren't, oldest first.
    missed: list[datetime.date]


def status() -> Status:
    """The state at this moment, from the database alone."""
    now = timezone.now()
    newest, contact = store.newest_stored_date(), store.last_contact()
    return Status(
        newest_date=newest,
        age_days=(schedule.today(now) - newest).days if newest else None,
        asked_at=contact.asked_at if contact else None,
        answered_at=contact.answered_at if contact else None,
        error=contact.error if contact else "",
        fresh=store.is_fresh(),
        next_publication=schedule.next_publication(now),
        missed=missed(now),
    )


def missed(now: datetime.datetime) -> list[datetime.date]:
    """The sheets of the last 30 days that are expected and not stored; none before the first stored one."""
    oldest = StoredSheet.objects.order_by("date").values_list("date", flat=True).first()
    if oldest is None:
        return []
    last = schedule.expected_sheet(now, by=schedule.PUBLISHED_BY)
    first = max(oldest, schedule.today(now) - MISSED_FOR)
    stored = set(StoredSheet.objects.filter(date__gte=first, date__lte=last).values_list("date", flat=True))
    return [day for day in schedule.sheet_days(first, last) if day not in stored]
