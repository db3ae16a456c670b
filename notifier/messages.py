"""Every change of a message's state, each one `UPDATE … WHERE`, as `notifier.requests` does it for requests.

waiting → sending → sent
    └────────┴────→ failed
"""

import datetime as dt
import logging
from uuid import UUID

from celery import signature
from django.db import transaction
from django.db.models import F, Q, QuerySet
from kombu.exceptions import OperationalError

from notifier.models import Message
from notifier.requests import GRACE, QUEUED, run_time
from project import agreed_time

log = logging.getLogger(__name__)

Status = Message.Status
UNFINISHED = (Status.WAITING, Status.SENDING)

# How long a message may wait for its first publish before it is published again.
UNPUBLISHED = dt.timedelta(seconds=30)
# A digest of yesterday is of no use to anybody.
MAX_AGE = dt.timedelta(days=1)


def _unfinished(message_id: str | UUID) -> QuerySet[Message]:
    return Message.objects.filter(pk=message_id, status__in=UNFINISHED)


def write(kind: str, key: str, telegram_id: int, text: str) -> bool:
    """Write a message down, once for its key; it is published when that is committed. False where it was there."""
    now = agreed_time.now()
    values = {"kind": kind, "telegram_id": telegram_id, "text": text, "created_at": now, "sweep_at": now + UNPUBLISHED}
    row, written = Message.objects.get_or_create(key=key, defaults=values)
    if written:
        transaction.on_commit(lambda: publish(row.pk))
    return written


def publish(message_id: str | UUID) -> bool:
    """Have a worker send it. False where the broker can't be reached: it is published again later."""
    try:
        # By name: notifier.tasks uses this module.
        signature("notifier.tasks.post", args=(str(message_id),)).apply_async(retry=False)
    except OperationalError as error:
        log.warning("message %s is not published yet: %s", message_id, error)
        return False
    _unfinished(message_id).filter(status=Status.WAITING).update(sweep_at=agreed_time.now() + QUEUED)
    return True


def publish_stuck(batch: int) -> int:
    """Publish again what nothing has moved on for too long; returns how many. Stops where the broker is away."""
    published, now = 0, agreed_time.now()
    for row in Message.objects.filter(sweep_at__lte=now).order_by("sweep_at")[:batch]:
        if not _unfinished(row.pk).filter(sweep_at=row.sweep_at).update(sweep_at=now + UNPUBLISHED):
            continue
        if now - row.created_at > MAX_AGE:
            fail(row.pk, "expired", "")
        elif publish(row.pk):
            published += 1
        else:
            break
    return published


def start_sending(message_id: str | UUID) -> dt.datetime | None:
    """Claim the right to send. Returns the end of the lease, None where it has ended or another has the claim."""
    now = agreed_time.now()
    until = now + run_time()
    claimed = (
        _unfinished(message_id)
        .filter(Q(lease_until=None) | Q(lease_until__lte=now))
        .update(status=Status.SENDING, attempts=F("attempts") + 1, lease_until=until, sweep_at=until + GRACE)
    )
    return until if claimed else None


def lease_of(message_id: str | UUID) -> dt.datetime | None:
    return _unfinished(message_id).values_list("lease_until", flat=True).first()


def part_sent(message_id: str | UUID, lease: dt.datetime) -> bool:
    """One part has arrived and others are left: a task sends the next one."""
    rows = _unfinished(message_id).filter(lease_until=lease)
    sweep_at = agreed_time.now() + QUEUED
    return bool(rows.update(parts_sent=F("parts_sent") + 1, attempts=0, lease_until=None, sweep_at=sweep_at))


def sent(message_id: str | UUID) -> bool:
    """All of it has arrived, whatever the row said before."""
    rows = Message.objects.filter(pk=message_id).exclude(status=Status.SENT)
    return bool(
        rows.update(
            status=Status.SENT,
            parts_sent=F("parts_sent") + 1,
            finished_at=agreed_time.now(),
            lease_until=None,
            sweep_at=None,
            error_code="",
            error="",
        )
    )


def retry_later(
    message_id: str | UUID, lease: dt.datetime, code: str, error: str, delay: dt.timedelta, counted: bool = True
) -> bool:
    """Its task will run again in `delay`, by a claim of its own. A wait for one's turn isn't `counted` as a try."""
    rows = _unfinished(message_id).filter(lease_until=lease)
    return bool(
        rows.update(
            attempts=F("attempts") - (0 if counted else 1),
            lease_until=None,
            error_code=code,
            error=error,
            sweep_at=agreed_time.now() + delay + QUEUED,
        )
    )


def fail(message_id: str | UUID, code: str, error: str) -> bool:
    """It ends without having arrived."""
    return bool(
        _unfinished(message_id).update(
            status=Status.FAILED,
            finished_at=agreed_time.now(),
            lease_until=None,
            sweep_at=None,
            error_code=code,
            error=error,
        )
    )
