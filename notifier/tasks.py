"""The Celery tasks of the notifier."""

from typing import Any

from celery import shared_task

from notifier import requests


@shared_task(ignore_result=True)
def notify(result: dict[str, Any], request_id: str) -> None:
    """Tell the person the rate that `rates.tasks.fetch_rate` found."""
    lease = requests.start_notifying(request_id, str(result), {"found": result["found"]})
    if lease:
        print(result, flush=True)
        requests.deliver(request_id)


@shared_task(ignore_result=True)
def give_up(request: Any, error: Any, traceback: Any, request_id: str) -> None:
    """End a request whose chain has failed for good."""
    requests.fail(request_id, type(error).__name__, str(error))
