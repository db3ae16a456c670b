"""Publishing of a request's chain: fetch the rate, then tell it."""

import logging

from celery import chain, signature
from django.db import transaction
from kombu.exceptions import OperationalError

from notifier import requests
from notifier.models import RateRequest
from rates.tasks import fetch_rate

log = logging.getLogger(__name__)


def ask(
    currency_char_code: str,
    telegram_id: int | None = None,
    *,
    webhook_url: str = "",
    token_id: int | None = None,
) -> RateRequest:
    """Accept a request: write it down, and publish it once that is committed."""
    with transaction.atomic():
        request = requests.accept(currency_char_code, telegram_id, webhook_url=webhook_url, token_id=token_id)
        transaction.on_commit(lambda: publish(request))
    return request


def ask_again(request: RateRequest) -> bool:
    """Accept a failed request anew. False where it hasn't failed (any more)."""
    with transaction.atomic():
        accepted = requests.accept_again(request.pk)
        if accepted:
            transaction.on_commit(lambda: publish(request))
    return accepted


def publish(request: RateRequest) -> bool:
    """Publish the chain of a committed request, with the broker's confirmation.

    False where the broker can't be reached within the transport's own bound: the request stays as it is and
    the sweeper publishes it later.
    """
    request_id = str(request.pk)
    # By name: notifier.tasks uses this module.
    notify = signature("notifier.tasks.notify", args=(request_id,))
    give_up = signature("notifier.tasks.give_up", args=(request_id,))
    steps = chain(fetch_rate.s(request.currency_char_code, request_id), notify)
    try:
        steps.apply_async(link_error=give_up, retry=False)
    except OperationalError as error:
        log.warning("request %s is not published yet: %s", request_id, error)
        return False
    requests.published(request_id)
    return True
