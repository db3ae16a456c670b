"""Follows `rates.tasks.fetch_rate`: the rates don't know who waits for them."""

import logging
from typing import Any
from uuid import UUID

from celery import signals
from django.utils import timezone

from notifier import failures, requests
from rates.tasks import before_fetch

log = logging.getLogger(__name__)

FETCH = "rates.tasks.fetch_rate"


def id_of(given: object) -> UUID | None:
    """The request that a fetch task works for; None for any other caller's."""
    try:
        return UUID(str(given))
    except ValueError:
        return None


def on_start(given: str, redelivered: bool) -> bool:
    """Whether the fetch is needed: not where its request has ended, or a message is being sent already."""
    request_id = id_of(given)
    if request_id is None or requests.start_fetching(request_id):
        return True
    status = requests.status_of(request_id)
    if status is None:
        return True
    log.info("request %s is %s: a %s fetch is left out", given, status, "redelivered" if redelivered else "second")
    return False


before_fetch.append(on_start)


@signals.task_retry.connect(dispatch_uid="notifier.fetch_retry")
def on_retry(sender: Any = None, request: Any = None, reason: Any = None, **_: Any) -> None:
    """Keep why a fetch is tried again. An error here is logged by Celery and changes nothing for the task."""
    if getattr(sender, "name", None) != FETCH:
        return
    given = (request.kwargs or {}).get("request_id") or (request.args[1] if len(request.args or ()) > 1 else None)
    if request_id := id_of(given):
        code, text = failures.reason(FETCH, reason.exc or reason)
        requests.retry_later(request_id, code, text, failures.delay_of(reason.when, timezone.now()))
