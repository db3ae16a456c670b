"""Every change of a request's state, each one `UPDATE … WHERE` whose row count tells whether it happened.

Each function may run twice and at the same time as any other: a step that comes late or again changes
nothing, and a delivered request stays delivered.

    accepted → fetching → notifying → delivered
        └──────────┴──────────┴─────→ failed → (sent again) accepted
        └──────────┴──────────┴─────→ cancelled, unless it is just being sent
"""

import datetime as dt
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from notifier.models import RateRequest
from rates.quotes import Quote

Status = RateRequest.Status

UNFINISHED = (Status.ACCEPTED, Status.FETCHING, Status.NOTIFYING)

# How long a request may wait for its first publish before the sweeper publishes it.
UNPUBLISHED = dt.timedelta(seconds=20)
# How long a published step may wait in its queue before it is published anew. Kafka keeps what it confirmed,
# so this is for what nobody foresaw; a shorter time would double the load of a queue that is merely long.
QUEUED = dt.timedelta(minutes=15)
# How long the sweeper itself has for one request.
SWEPT = dt.timedelta(minutes=1)
# Beyond a step's hard time limit: the time to write down how it ended.
GRACE = dt.timedelta(seconds=20)


def run_time() -> dt.timedelta:
    """The longest that one try of a step can take, and the time to write down how it ended."""
    return dt.timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT) + GRACE


def _unfinished(request_id: str | UUID) -> QuerySet[RateRequest]:
    return RateRequest.objects.filter(pk=request_id, status__in=UNFINISHED)


def accept(
    currency_char_code: str,
    telegram_id: int | None = None,
    *,
    webhook_url: str = "",
    token_id: int | None = None,
) -> RateRequest:
    """Write a new request down; the caller publishes it once this is committed.

    It is told to exactly one of `telegram_id` and `webhook_url`.
    """
    assert (telegram_id is None) == bool(webhook_url)
    now = timezone.now()
    return RateRequest.objects.create(
        currency_char_code=currency_char_code,
        telegram_id=telegram_id,
        webhook_url=webhook_url,
        token_id=token_id,
        created_at=now,
        accepted_at=now,
        sweep_at=now + UNPUBLISHED,
    )


def published(request_id: str | UUID) -> bool:
    """The broker has confirmed the chain. A worker may have been faster than this write: its sweep_at stands."""
    now = timezone.now()
    return bool(
        RateRequest.objects.filter(pk=request_id).update(
            published_at=now,
            publishes=F("publishes") + 1,
            sweep_at=Case(When(status=Status.ACCEPTED, then=Value(now + QUEUED)), default=F("sweep_at")),
        )
    )


def start_fetching(request_id: str | UUID) -> bool:
    """A fetch task has begun, for the first time or again."""
    now = timezone.now()
    return bool(
        _unfinished(request_id)
        .filter(status__in=(Status.ACCEPTED, Status.FETCHING))
        .update(
            status=Status.FETCHING,
            fetching_at=Coalesce(F("fetching_at"), now),
            fetch_attempts=F("fetch_attempts") + 1,
            # The notify task, published by the fetch task itself, may wait in its queue as well.
            sweep_at=now + run_time() + QUEUED,
        )
    )


def retry_later(request_id: str | UUID, code: str, error: str, delay: dt.timedelta) -> bool:
    """A step failed and its task will run again in `delay`: keep why."""
    sweep_at = timezone.now() + delay + QUEUED
    return bool(_unfinished(request_id).update(error_code=code, error=error, sweep_at=sweep_at))


def leave_to_sweeper(request_id: str | UUID, code: str, error: str) -> bool:
    """The next step could not be published: no task is left that would go on with this request."""
    sweep_at = timezone.now() + UNPUBLISHED
    return bool(_unfinished(request_id).update(error_code=code, error=error, sweep_at=sweep_at))


def claim_stuck(request_id: str | UUID, sweep_at: dt.datetime) -> bool:
    """Take a request that is due since `sweep_at`; of two sweepers one gets it."""
    rows = _unfinished(request_id).filter(sweep_at=sweep_at)
    return bool(rows.update(sweep_at=timezone.now() + SWEPT))


def start_notifying(request_id: str | UUID, text: str, rate: dict[str, Any]) -> dt.datetime | None:
    """Claim the right to send, written before anything is sent.

    Returns the end of the lease (which is also the claim's name for `release`), or None where the request has
    ended or another task holds the claim: `RateRequest.lease_until` tells which.
    """
    now = timezone.now()
    until = now + run_time()
    claimed = (
        _unfinished(request_id)
        .filter(Q(lease_until=None) | Q(lease_until__lte=now))
        .update(
            status=Status.NOTIFYING,
            notifying_at=Coalesce(F("notifying_at"), now),
            notify_attempts=F("notify_attempts") + 1,
            lease_until=until,
            sweep_at=until + GRACE,
            text=text,
            **rate,
        )
    )
    return until if claimed else None


def lease_of(request_id: str | UUID) -> dt.datetime | None:
    """The end of the lease that an unfinished request is being sent under, if it is."""
    return _unfinished(request_id).values_list("lease_until", flat=True).first()


def release(request_id: str | UUID, lease: dt.datetime) -> bool:
    """Nothing was sent: let the next try claim at once."""
    return bool(_unfinished(request_id).filter(lease_until=lease).update(lease_until=None))


def deliver(request_id: str | UUID) -> bool:
    """The message has arrived, whatever the row said before: a person has it now."""
    return bool(
        RateRequest.objects.filter(pk=request_id)
        .exclude(status=Status.DELIVERED)
        .update(
            status=Status.DELIVERED,
            finished_at=timezone.now(),
            lease_until=None,
            sweep_at=None,
            error_code="",
            error="",
        )
    )


def fail(request_id: str | UUID, code: str, error: str) -> bool:
    """The request ends without a message. Never takes back a delivery."""
    return bool(
        _unfinished(request_id).update(
            status=Status.FAILED,
            finished_at=timezone.now(),
            lease_until=None,
            sweep_at=None,
            error_code=code,
            error=error,
        )
    )


def cancel(request_id: str | UUID) -> bool:
    """The request ends, and nothing will be sent. False where it has ended, or where a task has the right to send it
    (or had, and nobody knows whether it did): of this and `start_notifying` one comes first, and the other does
    nothing."""
    return bool(
        _unfinished(request_id)
        .filter(lease_until=None)
        .update(
            status=Status.CANCELLED,
            finished_at=timezone.now(),
            sweep_at=None,
            error_code="",
            error="",
        )
    )


def accept_again(request_id: str | UUID) -> bool:
    """Begin a failed request anew; the caller publishes it once this is committed."""
    now = timezone.now()
    return bool(
        RateRequest.objects.filter(pk=request_id, status=Status.FAILED).update(
            status=Status.ACCEPTED,
            accepted_at=now,
            fetching_at=None,
            notifying_at=None,
            finished_at=None,
            found=None,
            nominal=None,
            value=None,
            sheet_date=None,
            fresh=None,
            text="",
            fetch_attempts=0,
            notify_attempts=0,
            publishes=0,
            published_at=None,
            error_code="",
            error="",
            sweep_at=now + UNPUBLISHED,
        )
    )


def rate_fields(quote: Quote) -> dict[str, Any]:
    """What the log keeps of a quote."""
    return {
        "found": True,
        "nominal": quote.nominal,
        "value": quote.value,
        "sheet_date": quote.date,
        "fresh": quote.fresh,
    }
