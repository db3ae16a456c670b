"""Sends a written message, part by part: the step `notifier.delivery` is for requests."""

import datetime as dt
import logging

from billiard.exceptions import SoftTimeLimitExceeded

from notifier import chats, messages, texts
from notifier.backends import Busy, PermanentError, TemporaryError, get_backend
from notifier.delivery import LONGEST_RETRY_AFTER, MAX_ATTEMPTS, TryAgain, pause, wait_for_the_other
from notifier.models import Message
from notifier.parts import split
from project import agreed_time

log = logging.getLogger(__name__)


def post(message_id: str) -> None:
    """Send the next part of a message, unless that is done or being done. Raises TryAgain, also for further parts."""
    lease = messages.start_sending(message_id)
    if lease is None:
        wait_for_the_other(messages.lease_of(message_id))
        return
    message = Message.objects.get(pk=message_id)
    if agreed_time.now() - message.created_at > messages.MAX_AGE:
        messages.fail(message_id, "expired", texts.error("expired"))
        return
    parts = split(message.text)
    chat = chats.get(message.telegram_id)
    try:
        moved_to = get_backend().send(chat.pk, parts[message.parts_sent])
    except PermanentError as error:
        log.warning("message %s: not sent: %s", message_id, error)
        messages.fail(message_id, error.code, texts.error(error.code, str(error)))
        chats.refused(chat.pk, error.code, str(error))
    except Busy as busy:
        _again(message, lease, "", "", busy.retry_after or 0.0, counted=False)
    except TemporaryError as error:
        _again_or_fail(message, lease, str(error), error.retry_after)
    except SoftTimeLimitExceeded:
        _again_or_fail(message, lease, "soft time limit", None)
    else:
        chats.arrived(chat, moved_to)
        _part_sent(message, lease, len(parts))


def _part_sent(message: Message, lease: dt.datetime, count: int) -> None:
    if message.parts_sent + 1 >= count:
        messages.sent(message.pk)
    elif messages.part_sent(message.pk, lease):
        raise TryAgain(0, "the next part")


def _again_or_fail(message: Message, lease: dt.datetime, reason: str, retry_after: float | None) -> None:
    log.warning("message %s: try %d: %s", message.pk, message.attempts, reason)
    error = texts.error("send_failed", reason)
    if message.attempts >= MAX_ATTEMPTS or (retry_after or 0) > LONGEST_RETRY_AFTER:
        messages.fail(message.pk, "send_failed", error)
        return
    _again(message, lease, "send_failed", error, pause(message.attempts, retry_after))


def _again(message: Message, lease: dt.datetime, code: str, error: str, delay: float, *, counted: bool = True) -> None:
    messages.retry_later(message.pk, lease, code, error, dt.timedelta(seconds=delay), counted)
    raise TryAgain(delay, error or "waits for its turn")
