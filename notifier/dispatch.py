"""Publishing of a request's chain: fetch the rate, then tell it."""

import logging

from celery import chain
from kombu.exceptions import OperationalError

from notifier import requests, tasks
from notifier.models import RateRequest
from rates.tasks import fetch_rate

log = logging.getLogger(__name__)


def publish(request: RateRequest) -> bool:
    """Publish the chain of a committed request, with the broker's confirmation.

    False where the broker can't be reached within the transport's own bound: the request stays as it is and
    the sweeper publishes it later.
    """
    request_id = str(request.pk)
    steps = chain(fetch_rate.s(request.currency_char_code, request_id), tasks.notify.s(request_id))
    try:
        steps.apply_async(link_error=tasks.give_up.s(request_id), retry=False)
    except OperationalError as error:
        log.warning("request %s is not published yet: %s", request_id, error)
        return False
    requests.published(request_id)
    return True
