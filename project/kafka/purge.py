"""Emptying a queue: what waits in it is passed over, for this application's group."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaError, KafkaException
from kombu.exceptions import ChannelError

from .errors import BrokerUnavailable
from .groups import Stored
from .options import Options
from .readers import Incomplete, Readers
from .topics import Topics

logger = logging.getLogger(__name__)


def purge(topics: Topics, options: Options, topic: str) -> int:
    """Returns how many records that skipped. What a worker has in hand still runs, and what it begins within about a
    second (see topic_watch.py).

    Raises ChannelError where the queue is consumed right now and records can't be deleted.
    """
    group_id = options.group_of(topic)
    bounds = topics.bounds([topic])
    if not bounds:
        return 0
    stored = topics.groups.committed(group_id, bounds)
    before = {part: stored.get(part, Stored(begin)) for part, (begin, _) in bounds.items()}
    try:
        topics.groups.commit(group_id, {part: Stored(end) for part, (_, end) in bounds.items()})
    except BrokerUnavailable as error:
        if not _has_members(error):
            raise
    else:
        return sum(before[part].unfinished(begin, end) for part, (begin, end) in bounds.items())
    # Only members may commit: delete the records instead, and the members go on behind them.
    _refuse_unless_deletable(topics, options, topic)
    topics.delete_records({part: end for part, (_, end) in bounds.items()})
    return sum(before[part].waiting(begin, end) for part, (begin, end) in bounds.items())


def _has_members(error: BrokerUnavailable) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError.UNKNOWN_MEMBER_ID


def _refuse_unless_deletable(topics: Topics, options: Options, topic: str) -> None:
    reason = _why_not(topics, options, topic)
    if reason:
        text = f"{topic} can't be purged while it is consumed, stop its workers first: {reason}"
        logger.warning(text)  # `celery purge` says nothing of a channel's errors
        raise ChannelError(text)


def _why_not(topics: Topics, options: Options, topic: str) -> str:
    if not topics.deletable([topic]):
        return "the broker can't delete records, or doesn't let this user"
    try:
        others = Readers(topics, options).needed([topic])
    except Incomplete as incomplete:
        return str(incomplete)
    return "another group reads it too" if others else ""
