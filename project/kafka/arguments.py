"""What a queue is declared with beyond its name: AMQP's ``x-…`` arguments."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ConfigurationError

logger = logging.getLogger(__name__)

MOST_PRIORITIES = 255


@dataclass(frozen=True, slots=True)
class QueueArguments:
    """`message_ttl` is in milliseconds; `max_priority` 0 means that the queue has no priorities."""

    message_ttl: int | None = None
    max_priority: int = 0

    @classmethod
    def read(cls, queue: str, arguments: Mapping[str, Any] | None, durable: bool) -> QueueArguments:
        """Raises ConfigurationError for values that can't be."""
        if not arguments:
            return cls()
        if durable and arguments.get("x-expires") is not None:
            logger.warning("%s: x-expires is only for queues that die with their reader; this one stays", queue)
        return cls(
            _integer(queue, arguments, "x-message-ttl", None, most=None),
            _integer(queue, arguments, "x-max-priority", 0, most=MOST_PRIORITIES) or 0,
        )


def _integer(queue: str, arguments: Mapping[str, Any], name: str, default: int | None, most: int | None) -> int | None:
    value = arguments.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or (most is not None and value > most):
        upto = "" if most is None else f" to {most}"
        raise ConfigurationError(f"queue {queue!r}: {name} must be an integer from 0{upto}, not {value!r}")
    return value
