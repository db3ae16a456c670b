"""What the workers of the queue `rates` do. Every task can run twice."""

import logging
from collections.abc import Callable
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from rates.cbr import CbrUnavailable
from rates.newest import fetch_day_before, newest
from rates.quotes import NoRates, UnknownCurrency, newest_quote

logger = logging.getLogger(__name__)

#: Called at the begin of each fetch with its `request_id`, and with whether it may have been begun before. One that
#: returns False says that nobody waits for the rate any more: nothing is fetched, and no task follows.
before_fetch: list[Callable[[str, bool], bool]] = []


@shared_task(
    bind=True,
    name="rates.tasks.fetch_rate",
    autoretry_for=(NoRates, OperationalError, InterfaceError, SoftTimeLimitExceeded),
    retry_backoff=4,
    retry_backoff_max=60,
    retry_jitter=True,
    max_retries=5,
)
def fetch_rate(self: Task, char_code: str, request_id: str) -> dict[str, Any]:
    """The newest rate of a currency: {"found": True, "quote": …} as Quote.to_json() writes it, or
    {"found": False, "char_code": …, "date": …, "fresh": …} with the sheet that lacks it.

    `request_id` is the caller's, for log lines and `before_fetch`. Raises NoRates when there is none
    after five more attempts, which take two minutes at most beside the questions themselves.
    """
    redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
    if not all(begin(request_id, redelivered) for begin in before_fetch):
        raise Ignore(f"nobody waits for the {char_code} of {request_id}")
    try:
        quote = newest_quote(char_code)
    except UnknownCurrency as error:
        logger.info("%s: %s", request_id, error)
        return {
            "found": False,
            "char_code": error.char_code,
            "date": error.date.isoformat(),
            "fresh": error.fresh,
        }
    logger.info("%s: %s of %s, fresh: %s", request_id, char_code, quote.date, quote.fresh)
    return {"found": True, "quote": quote.to_json()}


@shared_task(
    name="rates.tasks.prewarm",
    autoretry_for=(CbrUnavailable, OperationalError),
    retry_backoff=5,
    retry_backoff_max=60,
    retry_jitter=True,
    max_retries=3,
)
def prewarm() -> str:
    """Asks the CBR now, stores and caches its newest sheet, and stores the one before it where that is missing.

    Returns "2026-04-25: 54 rates".
    """
    answer = newest(force=True)
    if not answer.fresh or answer.sheet is None:
        raise CbrUnavailable(answer.reason)
    fetch_day_before(answer.sheet.date)
    return f"{answer.sheet.date}: {len(answer.sheet.rates)} rates"
