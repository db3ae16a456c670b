"""Every change of a request's state, each one `UPDATE … WHERE` whose row count tells whether it happened.

Each function may run twice and at the same time as any other: a step that comes late or again changes
nothing, and a delivered request stays delivered.

    accepted → fetching → notifying → delivered
        ↑          │          │
        ├──────────┴──────────┤ (nothing moved it on: published again)
        ├─────────────────────┴─────→ failed → (sent again) accepted
        └──────────┴──────────┴─────→ cancelled, unless it is being sent, or may have been
"""

import datetime as dt
import functools
import logging
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Case, F, Field, QuerySet, Value, When
from django.db.models.functions import Coalesce

from notifier import metrics, owners
from notifier.models import RateRequest
from project import agreed_time, trace, tracing
from rates.quotes import Quote

log = logging.getLogger(__name__)

Status = RateRequest.Status

UNFINISHED = (Status.ACCEPTED, Status.FETCHING, Status.NOTIFYING)

# How long a published step may wait in its queue before it is published anew. Kafka keeps what it confirmed,
# so this is for what nobody foresaw; a shorter time would double the load of a queue that is merely long.
QUEUED = dt.timedelta(minutes=15)
# How long a relay has for a batch: a publish waits for 10 seconds at most, for a connection some more.
CLAIMED = dt.timedelta(seconds=40)
# Beyond a step's hard time limit: the time to write down how it ended.
GRACE = dt.timedelta(seconds=20)


def run_time() -> dt.timedelta:
    """The longest that one try of a step can take, and the time to write down how it ended."""
    return dt.timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT) + GRACE


def _unfinished(request_id: str | UUID) -> QuerySet[RateRequest]:
    return RateRequest.objects.filter(pk=request_id, status__in=UNFINISHED)


@metrics.accepts
def accept(
    currency_char_code: str,
    telegram_id: int | None = None,
    *,
    webhook_url: str = "",
    token_id: int | None = None,
) -> RateRequest:
    """Write a new request down: it is due, the relay publishes it.

    It is told to exactly one of `telegram_id` and `webhook_url`.
    """
    assert (telegram_id is None) == bool(webhook_url)
    now = agreed_time.now()
    return RateRequest.objects.create(
        currency_char_code=currency_char_code,
        telegram_id=telegram_id,
        webhook_url=webhook_url,
        token_id=token_id,
        created_at=now,
        accepted_at=now,
        sweep_at=now,
        trace=trace.current(),
        traceparent=tracing.current(),
    )


# In one statement, which the ORM can't say: this is on the way of every message. The condition stands there twice,
# because of two relays that have found the same rows one comes second.
CLAIM = """
    UPDATE notifier_raterequest SET status = 'accepted', claimed_by = %s, sweep_at = %s
    WHERE sweep_at <= %s
      AND id IN (SELECT id FROM notifier_raterequest WHERE sweep_at <= %s ORDER BY sweep_at LIMIT %s)
    RETURNING id, currency_char_code, accepted_at, publishes, trace, traceparent
"""


def claim_due(limit: int, claim: str) -> list[RateRequest]:
    """Take the requests that are due for a publish, the longest due first; of two relays one gets each.

    A step that was begun counts as not begun: its task is published anew. `claim` is the name of this batch. The rows
    have what a publish needs; their other fields are deferred.
    """
    now = agreed_time.now()
    # What web has just accepted is due by web's time, and would wait for the next look by ours.
    due = now + agreed_time.APART
    at, until = (connection.ops.adapt_datetimefield_value(time) for time in (due, now + CLAIMED))
    return sorted(RateRequest.objects.raw(CLAIM, [claim, until, at, at, limit]), key=lambda row: row.accepted_at)


def published(request_ids: Collection[str | UUID], claim: str) -> int:
    """The broker has confirmed their chains. A worker may have been faster than this write: its sweep_at stands.

    Returns how many: not those that another relay has taken, because this one was too slow.
    """
    now = agreed_time.now()
    return RateRequest.objects.filter(pk__in=request_ids, claimed_by=claim).update(
        published_at=now,
        publishes=F("publishes") + 1,
        claimed_by="",
        sweep_at=Case(When(status=Status.ACCEPTED, then=Value(now + QUEUED)), default=F("sweep_at")),
    )


def hand_back(request_ids: Collection[str | UUID], claim: str) -> int:
    """They could not be published, or nobody knows whether they were: they are due again, in their old order."""
    rows = RateRequest.objects.filter(pk__in=request_ids, claimed_by=claim, status=Status.ACCEPTED)
    return rows.update(claimed_by="", sweep_at=F("accepted_at"))


def hand_back_orphans(also: str = "") -> int:
    """What relays of this machine had claimed when they died is due again. Returns how many requests.

    So is what the process `also` had claimed: it begins anew, and has nothing in hand.
    """
    claimed = RateRequest.objects.filter(sweep_at__gt=agreed_time.now(), status=Status.ACCEPTED).exclude(claimed_by="")
    claims = claimed.order_by().values_list("claimed_by", flat=True).distinct()
    orphaned = [claim for claim in claims if (owner := claim.partition("/")[0]) == also or owners.is_dead(owner)]
    return claimed.filter(claimed_by__in=orphaned).update(claimed_by="", sweep_at=F("accepted_at")) if orphaned else 0


def queue_is_lost() -> int:
    """The broker has forgotten what was published: what has not ended is due again. Returns how many requests."""
    now = agreed_time.now()
    return RateRequest.objects.filter(status__in=UNFINISHED, sweep_at__gt=now, published_at__isnull=False).update(
        sweep_at=F("accepted_at"), claimed_by=""
    )


def status_of(request_id: str | UUID) -> str | None:
    """None where there is no such request."""
    return RateRequest.objects.filter(pk=request_id).values_list("status", flat=True).first()


# These are on the way of every message too, and to compile such a query takes the ORM several times as long as the
# database takes for it (`bin/bench app --only steps`): written out here.
TO_TELL = """
    SELECT id, currency_char_code, telegram_id, webhook_url, token_id, accepted_at, notify_attempts
    FROM notifier_raterequest WHERE id = %s
"""
START_FETCHING = """
    UPDATE notifier_raterequest SET status = 'fetching', fetching_at = COALESCE(fetching_at, %(fetching_at)s),
        fetch_attempts = fetch_attempts + 1, sweep_at = %(sweep_at)s
    WHERE id = %(id)s AND status IN ('accepted', 'fetching')
"""
START_NOTIFYING = """
    UPDATE notifier_raterequest SET status = 'notifying', notifying_at = COALESCE(notifying_at, %(notifying_at)s),
        notify_attempts = notify_attempts + 1, {changes}
    WHERE id = %(id)s AND status IN ('accepted', 'fetching', 'notifying') AND lease_until IS NULL
"""
DELIVER = """
    UPDATE notifier_raterequest SET status = 'delivered', finished_at = %(finished_at)s, lease_until = NULL,
        sweep_at = NULL, error_code = '', error = ''
    WHERE id = %(id)s AND status <> 'delivered'
"""


def _update(statement: str, **values: Any) -> bool:
    """Whether it changed a row; a value has the name of its field."""
    adapted = {name: _field(name).get_db_prep_save(value, connection) for name, value in values.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement, adapted)
        return cursor.rowcount > 0


@functools.cache
def _field(name: str) -> "Field[Any, Any]":
    field = RateRequest._meta.get_field(name)
    assert isinstance(field, Field)
    return field


def to_tell(request_id: str | UUID) -> RateRequest | None:
    """With what the notify step needs, its other fields are deferred; None where there is no such request."""
    rows = RateRequest.objects.raw(TO_TELL, [_field("id").get_db_prep_value(request_id, connection)])
    return next(iter(rows), None)


def start_fetching(request_id: str | UUID) -> bool:
    """A fetch task has begun, for the first time or again. False where its request needs none (any more)."""
    now = agreed_time.now()
    # The notify task, published by the fetch task itself, may wait in its queue as well.
    return _update(START_FETCHING, id=request_id, fetching_at=now, sweep_at=now + run_time() + QUEUED)


def retry_later(request_id: str | UUID, code: str, error: str, delay: dt.timedelta) -> bool:
    """A step failed and its task will run again in `delay`: keep why."""
    sweep_at = agreed_time.now() + delay + QUEUED
    return bool(_unfinished(request_id).update(error_code=code, error=error, sweep_at=sweep_at))


def publish_again(request_id: str | UUID, code: str, error: str) -> bool:
    """The next step could not be published: no task is left that would go on with this request."""
    return bool(_unfinished(request_id).update(error_code=code, error=error, sweep_at=agreed_time.now()))


def start_notifying(request_id: str | UUID, text: str, rate: dict[str, Any]) -> dt.datetime | None:
    """Claim the right to send, written before anything is sent.

    Returns the end of the lease (which is also the claim's name for `release`), or None where the request has
    ended or another task holds the claim: `lease_of` tells which. A claim whose lease is over, or whose process is
    known to be dead, is taken over: the message may be out already, so that is counted.
    """
    now = agreed_time.now()
    changes: dict[str, Any] = {
        "lease_until": now + run_time(),
        "sender": owners.me(),
        "sweep_at": now + run_time() + GRACE,
        "text": text,
        **rate,
    }
    statement = START_NOTIFYING.format(changes=", ".join(f"{name} = %({name})s" for name in changes))
    if _update(statement, id=request_id, notifying_at=now, **changes):
        return now + run_time()
    held = _unfinished(request_id).values_list("lease_until", "sender").first()
    if held is None or held[0] is None or not (held[0] <= now or owners.is_dead(held[1])):
        return None
    left = _unfinished(request_id).filter(lease_until=held[0], sender=held[1])
    changes |= {"status": Status.NOTIFYING, "notifying_at": Coalesce(F("notifying_at"), now)}
    counted = {name: F(name) + 1 for name in ("notify_attempts", "possible_repeats")}
    if not left.update(**changes, **counted):
        return None
    log.warning("request %s: an earlier try may have sent it already (until %s by %s)", request_id, *held)
    return now + run_time()


def lease_of(request_id: str | UUID) -> dt.datetime | None:
    """The end of the lease that an unfinished request is being sent under, if it is."""
    return _unfinished(request_id).values_list("lease_until", flat=True).first()


def release(request_id: str | UUID, lease: dt.datetime, maybe_sent: bool = False) -> bool:
    """Let the next try claim at once. With `maybe_sent` it counts as a possible repeat."""
    until = agreed_time.now() if maybe_sent else None
    return bool(_unfinished(request_id).filter(lease_until=lease).update(lease_until=until))


def give_back(request_id: str | UUID, lease: dt.datetime, delay: dt.timedelta) -> bool:
    """It isn't this message's turn for `delay`: the claim goes back, and this was no try."""
    rows = _unfinished(request_id).filter(lease_until=lease)
    sweep_at = agreed_time.now() + delay + QUEUED
    return bool(rows.update(lease_until=None, notify_attempts=F("notify_attempts") - 1, sweep_at=sweep_at))


@metrics.ends("delivered")
def deliver(request_id: str | UUID) -> bool:
    """The message has arrived, whatever the row said before: a person has it now."""
    return _update(DELIVER, id=request_id, finished_at=agreed_time.now())


@metrics.ends("failed")
def fail(request_id: str | UUID, code: str, error: str) -> bool:
    """The request ends without a message. Never takes back a delivery."""
    return bool(
        _unfinished(request_id).update(
            status=Status.FAILED,
            finished_at=agreed_time.now(),
            lease_until=None,
            sweep_at=None,
            error_code=code,
            error=error,
        )
    )


@metrics.ends("cancelled")
def cancel(request_id: str | UUID) -> bool:
    """The request ends, and nothing will be sent. False where it has ended, or where a task has the right to send it
    (or had, and nobody knows whether it did): of this and `start_notifying` one comes first, and the other does
    nothing."""
    return bool(
        _unfinished(request_id)
        .filter(lease_until=None, possible_repeats=0)
        .update(
            status=Status.CANCELLED,
            finished_at=agreed_time.now(),
            sweep_at=None,
            error_code="",
            error="",
        )
    )


@metrics.accepts
def accept_again(request_id: str | UUID) -> bool:
    """Begin a failed request anew: it is due, the relay publishes it."""
    now = agreed_time.now()
    return bool(
        RateRequest.objects.filter(pk=request_id, status=Status.FAILED).update(
            status=Status.ACCEPTED,
            accepted_at=now,
            trace=trace.current(),
            traceparent=tracing.current(),
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
            sweep_at=now,
            claimed_by="",
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
