"""Deletes what nobody will ask for any more: requests that ended long ago, and the bot's own messages as well."""

import datetime as dt
import logging
import time
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from notifier.models import Message, RateRequest

log = logging.getLogger(__name__)

# Rows a statement: each is short, so that whoever else writes hardly waits.
BATCH = 500
# Seconds a run, well within a task's time limits; the next run goes on.
BUDGET = 15.0
# As long as they have ended: a failed one may be sent again while it is looked at.
ENDED: tuple[QuerySet[Any], ...] = (
    RateRequest.objects.filter(status=RateRequest.Status.DELIVERED),
    RateRequest.objects.filter(status=RateRequest.Status.FAILED),
    RateRequest.objects.filter(status=RateRequest.Status.CANCELLED),
    Message.objects.filter(status__in=(Message.Status.SENT, Message.Status.FAILED)),
)


def purge(batch: int = BATCH, budget: float = BUDGET) -> int:
    """Delete what ended more than REQUESTS_KEPT_DAYS ago, nothing where that is 0; returns how many.

    What hasn't ended is never deleted, however old. Two runs at a time do no harm.
    """
    if not settings.REQUESTS_KEPT_DAYS:
        return 0
    before = timezone.now() - dt.timedelta(days=settings.REQUESTS_KEPT_DAYS)
    deadline = time.monotonic() + budget
    deleted = 0
    for ended in ENDED:
        # created_at is what the indexes have; nothing ends before it was created.
        old = ended.filter(created_at__lt=before, finished_at__lt=before)
        while time.monotonic() < deadline:
            keys = list(old.order_by("created_at").values_list("pk", flat=True)[:batch])
            count, _ = old.filter(pk__in=keys).delete()
            deleted += count
            if len(keys) < batch:
                break
    if deleted:
        log.info("deleted %d requests and messages that ended before %s", deleted, before.date())
    return deleted
