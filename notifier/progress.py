"""Follows `rates.tasks.fetch_rate` by Celery's signals: the rates don't know who waits for them.

An error here is logged by Celery and changes nothing for the task.
"""

from typing import Any
from uuid import UUID

from celery import signals
from django.utils import timezone

from notifier import failures, requests

FETCH = "rates.tasks.fetch_rate"


def request_of(task: Any, args: Any, kwargs: Any) -> UUID | None:
    """The request that a fetch task works for; None for any other task or caller."""
    if getattr(task, "name", None) != FETCH:
        return None
    given = (kwargs or {}).get("request_id") or (args[1] if args and len(args) > 1 else None)
    try:
        return UUID(str(given))
    except ValueError:
        return None


@signals.task_prerun.connect(dispatch_uid="notifier.fetching")
def on_start(sender: Any = None, args: Any = None, kwargs: Any = None, **_: Any) -> None:
    if request_id := request_of(sender, args, kwargs):
        requests.start_fetching(request_id)


@signals.task_retry.connect(dispatch_uid="notifier.fetch_retry")
def on_retry(sender: Any = None, request: Any = None, reason: Any = None, **_: Any) -> None:
    if request_id := request_of(sender, request.args, request.kwargs):
        code, text = failures.reason(FETCH, reason.exc or reason)
        requests.retry_later(request_id, code, text, failures.delay_of(reason.when, timezone.now()))
