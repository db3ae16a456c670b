"""How a request ends whose task has failed: the chain's errback.

What Celery 5.7 does, read in celery.worker.request and celery.backends.base:

* An errback with more than one parameter isn't sent as a message: it is called in place, with the failed task's
  request, the exception and the traceback, before the failed task's own parameters.
* A task that raises: in the pool's process that ran it.
* A task over its hard time limit: in the worker's *main* process, and twice (Request.on_failure, then
  Request.on_timeout). The message is acknowledged (task_acks_on_failure_or_timeout), so nothing else would end the
  request.
* A task whose process died: not called, the message goes back to the queue (task_reject_on_worker_lost).
* A task that could not publish its successor or its own retry: called, with OperationalError or Reject.
"""

import datetime as dt
import logging

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celery.exceptions import Reject
from django.db import InterfaceError, connection
from django.db import OperationalError as DatabaseAway
from kombu.exceptions import OperationalError

from notifier import requests, texts
from rates.quotes import NoRates

log = logging.getLogger(__name__)

NOTIFY = "notifier.tasks.notify"


def give_up(task_name: str, error: BaseException, request_id: str) -> None:
    """End the request, or have it published again where only the broker or the database was away."""
    try:
        if isinstance(error, OperationalError | Reject):
            log.warning("request %s: the next step is not published yet: %s", request_id, error)
            requests.publish_again(request_id, "broker", texts.error("broker"))
        elif isinstance(error, DatabaseAway | InterfaceError):
            log.warning("request %s: the database was away for longer than %s waits", request_id, task_name)
            requests.publish_again(request_id, "database", texts.error("database"))
        elif requests.fail(request_id, *reason(task_name, error)):
            log.warning("request %s failed in %s: %r", request_id, task_name, error)
    finally:
        # The worker's main process forks the pool's processes: it must not keep a connection open.
        if not connection.in_atomic_block:
            connection.close()


def reason(task_name: str, error: BaseException) -> tuple[str, str]:
    """A stable code, and the text for the log and the API."""
    if isinstance(error, NoRates):
        return "no_rates", texts.error("no_rates", str(error))
    if isinstance(error, TimeLimitExceeded | SoftTimeLimitExceeded):
        code = "time_limit_notify" if task_name == NOTIFY else "time_limit"
        return "time_limit", texts.error(code)
    return "task_error", texts.error("task_error", f"{type(error).__name__}: {error}")


def delay_of(when: object, now: dt.datetime) -> dt.timedelta:
    """What Celery says about a retry (seconds, a time, or nothing) as a time from now."""
    if isinstance(when, dt.datetime):
        return max(when - now, dt.timedelta(0))
    return dt.timedelta(seconds=float(when) if isinstance(when, int | float) else 0)
