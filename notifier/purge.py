"""Deletes what nobody will ask for any more: requests that ended long ago."""

import datetime as dt
import logging
import time

from django.conf import settings
from django.utils import timezone

from notifier.models import RateRequest

log = logging.getLogger(__name__)

# Rows a statement: each is short, so that whoever else writes hardly waits.
BATCH = 500
# Seconds a run, well within a task's time limits; the next run goes on.
BUDGET = 15.0
ENDED = (RateRequest.Status.DELIVERED, RateRequest.Status.FAILED)


def purge(batch: int = BATCH, budget: float = BUDGET) -> int:
    """Delete requests that ended more than REQUESTS_KEPT_DAYS ago, 0 of them where that is 0; returns how many.

    A request that hasn't ended is never deleted, however old. Two runs at a time do no harm.
    """
    if not settings.REQUESTS_KEPT_DAYS:
        return 0
    before = timezone.now() - dt.timedelta(days=settings.REQUESTS_KEPT_DAYS)
    deadline = time.monotonic() + budget
    deleted = 0
    for status in ENDED:
        # created_at is what the index has; nothing ends before it was created.
        old = RateRequest.objects.filter(status=status, created_at__lt=before, finished_at__lt=before)
        while time.monotonic() < deadline:
            keys = list(old.order_by("created_at").values_list("pk", flat=True)[:batch])
            # Once more with the status: a failed request may have been sent again since.
            count, _ = RateRequest.objects.filter(pk__in=keys, status=status, finished_at__lt=before).delete()
            deleted += count
            if len(keys) < batch:
                break
    if deleted:
        log.info("deleted %d requests that ended before %s", deleted, before.date())
    return deleted
