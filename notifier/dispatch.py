"""Accepting of requests, and publishing of their chains: fetch the rate, then tell it."""

import logging
from collections.abc import Sequence
from uuid import UUID

from celery import signature
from kombu.exceptions import OperationalError

from notifier import requests, wake
from notifier.models import RateRequest
from project import trace, tracing
from project.kafka.together import together
from project.redaction import masked
from rates.tasks import fetch_rate

log = logging.getLogger(__name__)


def ask(
    currency_char_code: str,
    telegram_id: int | None = None,
    *,
    webhook_url: str = "",
    token_id: int | None = None,
) -> RateRequest:
    """Accept a request: write it down. The relay publishes it, woken when that is committed."""
    with wake.afterwards():
        request = requests.accept(currency_char_code, telegram_id, webhook_url=webhook_url, token_id=token_id)
    # Of a webhook's address the rest may be a secret.
    recipient = "a webhook" if telegram_id is None else masked(telegram_id)
    log.info("request %s: %s for %s", request.pk, currency_char_code, recipient)
    return request


def ask_again(request: RateRequest) -> bool:
    """Accept a failed request anew. False where it hasn't failed (any more)."""
    with wake.afterwards():
        return requests.accept_again(request.pk)


def publish(rows: Sequence[RateRequest]) -> dict[UUID, OperationalError]:
    """Publish the chains of committed requests, and wait for the broker's confirmations.

    Returns those that failed with the reason: whether the broker has such a message is unknown, so it is sent again,
    under the same ids. Takes about the transport's `publish_timeout` at the most.
    """
    failures: dict[UUID, OperationalError] = {}
    with together() as batch:
        for row in rows:
            with batch.item() as item:
                _publish(row)
            if item.failure is not None:
                # Not even begun: no broker is there, and the others needn't find that out one by one.
                failures = dict.fromkeys((one.pk for one in rows[len(batch.items) - 1 :]), item.failure)
                break
    failed = {row.pk: item.failure for row, item in zip(rows, batch.items, strict=False) if item.failure is not None}
    return failures | failed


def _publish(request: RateRequest) -> None:
    """As `chain(fetch, notify).apply_async(link_error=give_up)` would, in a third of the time."""
    request_id = str(request.pk)
    # By name: notifier.tasks uses this module.
    give_up = signature("notifier.tasks.give_up", args=(request_id,))
    notify = signature("notifier.tasks.notify", args=(request_id,), task_id=request.task_id("notify"))
    notify.link_error(give_up)
    with trace.using(request.trace or request_id), tracing.continued(request.traceparent):
        fetch_rate.apply_async(
            (request.currency_char_code, request_id),
            task_id=request.task_id("fetch"),
            chain=[notify],
            link_error=[give_up],
            retry=False,
        )
