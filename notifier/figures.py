"""Figures of the request log, for pages: each costs an index's range or a bounded number of rows, however long the
log is."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from django.db import connection
from django.utils import timezone

from notifier.models import Alert, Chat, RateRequest, Subscription

HOUR = dt.timedelta(hours=1)
# The newest requests that percentiles are taken of.
SAMPLE = 5000
Status = RateRequest.Status


@dataclass(frozen=True, slots=True)
class Hour:
    """The requests that were created in the hour that begins at `start`."""

    start: dt.datetime
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from accepted to delivered, of `count` requests."""

    count: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many requests of a time ended or are tried again with this error, and when the newest was created."""

    code: str
    count: int
    newest: dt.datetime


@dataclass(frozen=True, slots=True)
class People:
    """Who the bot talks with: how many chats, those among them that get nothing any more, what they asked for."""

    chats: int
    disabled: int
    subscriptions: int
    alerts: int


def per_hour(hours: int = 24) -> list[Hour]:
    """The last `hours`, the oldest first; the last one is not over yet."""
    this = timezone.now().replace(minute=0, second=0, microsecond=0)
    return [_hour(this - HOUR * back) for back in reversed(range(hours))]


def _hour(start: dt.datetime) -> Hour:
    rows = RateRequest.objects.filter(created_at__gte=start, created_at__lt=start + HOUR)
    return Hour(start, rows.count(), rows.filter(status=Status.FAILED).count())


def latency(within: dt.timedelta = HOUR * 24) -> Latency | None:
    """Of the newest requests that were delivered; None where there are none."""
    rows = RateRequest.objects.filter(
        status=Status.DELIVERED, created_at__gte=timezone.now() - within, finished_at__isnull=False
    ).order_by("-created_at")
    times = rows.values_list("accepted_at", "finished_at")[:SAMPLE]
    spans = [(finished - accepted).total_seconds() for accepted, finished in times if finished]
    if not spans:
        return None
    cuts = quantiles(spans, n=100, method="inclusive") if len(spans) > 1 else spans * 99
    return Latency(len(spans), cuts[49], cuts[94], cuts[98])


def unfinished() -> dict[str, int]:
    """How many requests are in each state that is no end."""
    states = (Status.ACCEPTED, Status.FETCHING, Status.NOTIFYING)
    return {state.value: RateRequest.objects.filter(status=state).count() for state in states}


def errors(within: dt.timedelta = HOUR * 24) -> list[ErrorCount]:
    """The errors of requests created lately, the newest first."""
    since = timezone.now() - within
    found = []
    for code in distinct("error_code"):
        rows = RateRequest.objects.exclude(error_code="").filter(error_code=code, created_at__gte=since)
        newest = rows.order_by("-created_at").values_list("created_at", flat=True).first()
        if newest is not None:
            found.append(ErrorCount(code, rows.count(), newest))
    return sorted(found, key=lambda error: error.newest, reverse=True)


def people() -> People:
    return People(
        chats=Chat.objects.count(),
        disabled=Chat.objects.filter(disabled=True).count(),
        subscriptions=Subscription.objects.count(),
        alerts=Alert.objects.count(),
    )


# From one value of an index to the next: DISTINCT would read every row. The condition is that of the partial index.
NEXT_VALUES = """
WITH RECURSIVE found(value) AS (
    SELECT min({field}) FROM {table} WHERE NOT ({field} = '')
    UNION ALL
    SELECT (SELECT min({field}) FROM {table} WHERE NOT ({field} = '') AND {field} > found.value)
    FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL LIMIT %s
"""


def distinct(name: str, most: int = 200) -> Sequence[str]:
    """The values of a text column that is the first of an index, without the empty one, in order."""
    column = {field.name: field.column for field in RateRequest._meta.concrete_fields}[name]
    quote = connection.ops.quote_name
    sql = NEXT_VALUES.format(field=quote(str(column)), table=quote(RateRequest._meta.db_table))
    with connection.cursor() as cursor:
        cursor.execute(sql, [most])
        return [value for (value,) in cursor.fetchall()]
