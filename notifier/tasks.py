"""The Celery tasks of the notifier. Each may run twice; the request's row says what is still to do."""

from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery import Task, shared_task
from django.db import InterfaceError, OperationalError, connection

from notifier import delivery, due, failures, idempotency, posting, relay, requests
from notifier.purge import purge as purge_old_requests

# Of one message where the database is away: over an hour.
MAX_RETRIES = 20
# So it is also where it hangs until the soft limit: of a message that is just being sent, the steps themselves know it.
AWAY = (OperationalError, InterfaceError, SoftTimeLimitExceeded)


@shared_task(bind=True, ignore_result=True, max_retries=None)
def notify(self: Task, result: dict[str, Any], request_id: str, sent: bool = False) -> None:
    """Tell the person the rate that `rates.tasks.fetch_rate` found. With `sent` they know it, it is to be written down.

    The row counts the tries and ends them (delivery.MAX_ATTEMPTS), so that a re-published task has no new ones.
    """
    try:
        if sent:
            requests.deliver(request_id)
        else:
            delivery.deliver(result, request_id)
    except delivery.NotWrittenDown as error:
        countdown = delivery.pause(self.request.retries + 1, None)
        raise self.retry(kwargs={"sent": True}, exc=error, countdown=countdown, max_retries=MAX_RETRIES) from error
    except delivery.TryAgain as again:
        raise self.retry(exc=again, countdown=again.delay) from None
    except AWAY as error:
        # Nothing was sent, or its lease keeps it from being sent twice.
        raise _when_the_database_is_back(self, error) from error


@shared_task(ignore_result=True)
def give_up(request: Any, error: BaseException, traceback: Any, request_id: str) -> None:
    """The chain's errback, see notifier.failures: Celery calls it in place, in the pool's or the main process."""
    failures.give_up(getattr(request, "task", ""), error, request_id)


@shared_task(ignore_result=True)
def sweep() -> int:
    """What the relay does, should none be there: publish the requests that are due. Returns how many. Beat runs it
    (the admin shows when)."""
    return relay.publish_due().published


@shared_task(ignore_result=True)
def forget_idempotency_keys() -> int:
    """Delete the Idempotency-Keys whose time is over. Returns how many. Beat runs it."""
    return idempotency.forget_old()


@shared_task(bind=True, ignore_result=True, max_retries=None)
def post(self: Task, message_id: str) -> None:
    """Send a written message: a digest, an alert. The row counts the tries and ends them."""
    try:
        posting.post(message_id)
    except delivery.TryAgain as again:
        raise self.retry(exc=again, countdown=again.delay) from None
    except AWAY as error:
        raise _when_the_database_is_back(self, error) from error


def _when_the_database_is_back(task: Task, error: Exception) -> BaseException:
    """What to raise: the same task again, later."""
    if isinstance(error, SoftTimeLimitExceeded):
        connection.close()  # it waits for an answer still, and so would its next user
    return task.retry(
        exc=error, countdown=delivery.pause(task.request.retries + 1, None), max_retries=MAX_RETRIES, throw=False
    )


@shared_task(ignore_result=True)
def send_due() -> dict[str, int]:
    """Write the digests and alerts that are due and have them sent. Returns how many. Beat runs it."""
    return due.send_due()


@shared_task(ignore_result=True)
def purge() -> int:
    """Delete requests that ended long ago (REQUESTS_KEPT_DAYS). Returns how many. Beat runs it."""
    return purge_old_requests()
