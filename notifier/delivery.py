"""The notify step: claim the request, write the message, send it, write down how that ended."""

import datetime as dt
import logging
import random
import time
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from notifier import channels, chats, requests, texts
from notifier.backends import Busy, PermanentError, TemporaryError
from notifier.models import RateRequest
from project import agreed_time
from rates.quotes import Quote

log = logging.getLogger(__name__)

# Tries of one request, over about 25 minutes.
MAX_ATTEMPTS = 12
# Seconds.
FIRST_PAUSE = 2
LONGEST_PAUSE = 300
# Between the tries to write a delivery down, well within the time that a task has.
WRITE_PAUSES = (0.2, 1.0, 3.0)
# Telegram has asked for more patience than a worker should hold a message: seconds.
LONGEST_RETRY_AFTER = 3600

# For our turn within Telegram's limits: as long as a request may live.
LONGEST_WAIT = dt.timedelta(days=1)


class TryAgain(Exception):
    """Run the step again in `delay` seconds."""

    def __init__(self, delay: float, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay


class NotWrittenDown(Exception):
    """The message is out, but the database is away for longer than a task should wait."""


def deliver(result: dict[str, Any], request_id: str) -> None:
    """Tell the person what `fetch_rate` found, unless that is done or being done. Raises TryAgain, NotWrittenDown."""
    request = requests.to_tell(request_id)
    if request is None:
        return
    chat = None if request.telegram_id is None else chats.get(request.telegram_id)  # None: a webhook's
    with texts.speaking(chats.language_of(chat) if chat else settings.NOTIFIER_LANGUAGE):
        text, rate = _message(result)
    lease = requests.start_notifying(request_id, text, rate)
    if lease is None:
        wait_for_the_other(requests.lease_of(request_id))
        return
    request.notify_attempts += 1
    for name, value in rate.items():
        setattr(request, name, value)
    try:
        moved_to = channels.send(request, text, chat.pk if chat else None)
    except PermanentError as error:
        log.warning("request %s: not delivered: %s", request_id, error)
        requests.fail(request_id, error.code, texts.error(error.code, str(error)))
        if chat:
            chats.refused(chat.pk, error.code, str(error))
    except Busy as busy:
        _wait_for_our_turn(request, lease, busy.retry_after or 0.0)
    except TemporaryError as error:
        _retry_or_fail(request, lease, str(error), error.retry_after, error.maybe_sent)
    except SoftTimeLimitExceeded:
        _retry_or_fail(request, lease, "soft time limit", None, maybe_sent=True)
    else:
        _write_down(request_id)
        if chat:
            chats.arrived(chat, moved_to)


def _write_down(request_id: str) -> None:
    """Mark the message as delivered; a database that is away for a moment must not make us send it again."""
    try:
        _write_down_patiently(request_id)
    except SoftTimeLimitExceeded as error:
        connection.close()  # it waits for an answer still, and so would its next user
        raise NotWrittenDown("soft time limit") from error


def _write_down_patiently(request_id: str) -> None:
    for pause_before_next in (*WRITE_PAUSES, None):
        try:
            requests.deliver(request_id)
            log.info("request %s: delivered", request_id)
            return
        except (OperationalError, InterfaceError) as error:
            log.warning("request %s: delivered, but not written down yet: %s", request_id, error)
            connection.close()
            if pause_before_next is None:
                raise NotWrittenDown(str(error)) from error
            time.sleep(pause_before_next)


def _message(result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text, and what the log keeps of the rate."""
    if result["found"]:
        quote = Quote.from_json(result["quote"])
        return texts.rate(quote), requests.rate_fields(quote)
    date, fresh = dt.date.fromisoformat(result["date"]), result["fresh"]
    text = texts.not_found(result["char_code"], date, fresh)
    return text, {"found": False, "sheet_date": date, "fresh": fresh}


def wait_for_the_other(lease_until: dt.datetime | None) -> None:
    """Another task has the claim: look again when its lease is over, in case it died with it. None: it is done."""
    if lease_until is not None:
        wait = max((lease_until - agreed_time.now()).total_seconds(), 0)
        raise TryAgain(wait + random.uniform(0.5, 3), "another task is sending this")


def _wait_for_our_turn(request: RateRequest, lease: dt.datetime, delay: float) -> None:
    """Nothing was tried, so this is no try; the end is the request's age."""
    if agreed_time.now() - request.accepted_at > LONGEST_WAIT:
        requests.fail(request.pk, "expired", texts.error("expired"))
        return
    requests.give_back(request.pk, lease, dt.timedelta(seconds=delay))
    raise TryAgain(delay, "waits for its turn")


def _retry_or_fail(
    request: RateRequest, lease: dt.datetime, reason: str, retry_after: float | None, maybe_sent: bool
) -> None:
    log.warning("request %s: try %d: %s", request.pk, request.notify_attempts, reason)
    error = texts.error("send_failed", reason)
    if request.notify_attempts >= MAX_ATTEMPTS or (retry_after or 0) > LONGEST_RETRY_AFTER:
        requests.fail(request.pk, "send_failed", error)
        return
    delay = pause(request.notify_attempts, retry_after)
    requests.retry_later(request.pk, "send_failed", error, dt.timedelta(seconds=delay))
    requests.release(request.pk, lease, maybe_sent)
    raise TryAgain(delay, reason)


def pause(attempts: int, retry_after: float | None) -> float:
    """Seconds until the next try: what Telegram asks for, else twice as long each time; never all at once."""
    if retry_after is not None:
        return retry_after + random.uniform(0.1, 1 + retry_after / 10)
    backoff = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
    return random.uniform(backoff / 2, backoff)
