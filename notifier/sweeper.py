"""Publishes again what is stuck: its publish failed, or nothing has moved it for longer than its step can take."""

import datetime as dt
import logging

from django.utils import timezone

from notifier import dispatch, requests, texts
from notifier.models import RateRequest

log = logging.getLogger(__name__)

# Requests a run, so that one run stays short.
BATCH = 100
# The ends: a request that was queued so often, or is so old, fails.
MAX_PUBLISHES = 10
MAX_AGE = dt.timedelta(days=1)


def sweep(batch: int = BATCH) -> int:
    """Publish stuck requests, the longest overdue first. Returns how many; stops at the first failed publish."""
    published = 0
    for request in due(batch):
        if request.sweep_at is None or not requests.claim_stuck(request.pk, request.sweep_at):
            continue
        if code := end_of(request):
            requests.fail(request.pk, code, texts.error(code))
        elif dispatch.publish(request):
            published += 1
        else:
            break
    if published:
        log.warning("published %d stuck requests again", published)
    return published


def due(batch: int) -> list[RateRequest]:
    return list(RateRequest.objects.filter(sweep_at__lte=timezone.now()).order_by("sweep_at")[:batch])


def end_of(request: RateRequest) -> str:
    """Why this request is not published again; empty where it is."""
    if request.publishes >= MAX_PUBLISHES:
        return "stuck"
    return "expired" if timezone.now() - request.accepted_at > MAX_AGE else ""
