"""The levels of a queue with priorities: each but the lowest is a topic beside the queue's own.

``<topic>.priority-6`` holds the messages of priority 6 up to the next level. Which levels a queue has is told by the
topics alone, so that those who publish need not know how it was declared. AMQP's direction: the higher goes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .records import TOPIC_LENGTH, topic_name

#: More would be more topics, groups and threads for each such queue; priorities between two levels are one.
MOST_LEVELS = 4
SUFFIX = ".priority-"
LEVEL = re.compile(re.escape(SUFFIX) + r"[1-9]\d{0,2}")
#: The levels of a queue: their topics by the lowest priority of each.
Levels = Mapping[int, str]


def lowest_priorities(max_priority: int) -> list[int]:
    """Where the levels begin: 0, 3, 6 and 9 for a greatest priority of 10; each priority its own up to 3."""
    count = min(MOST_LEVELS, max_priority + 1)
    return [-(-number * (max_priority + 1) // count) for number in range(count)]


def level_topic(topic: str, lowest: int) -> str:
    return _stem(topic) + f"{SUFFIX}{lowest}" if lowest else topic


def queue_topic(topic: str) -> str:
    """The topic of the queue that a level belongs to."""
    return re.sub(f"{LEVEL.pattern}$", "", topic)


def levels_among(topic: str, names: Iterable[str]) -> Levels:
    """The levels of a queue's topic that are among the names of all topics."""
    stem = _stem(topic)
    higher = {
        int(name[len(stem) + len(SUFFIX) :]): name
        for name in names
        if name.startswith(stem) and LEVEL.fullmatch(name, len(stem))
    }
    return {0: topic, **higher}


def level_of(levels: Levels, priority: int) -> str:
    """The topic for a message of this priority."""
    return levels[max((lowest for lowest in levels if lowest <= priority), default=0)]


def priority_of(properties: Mapping[str, Any]) -> int:
    """A message's priority; what is no number counts as 0."""
    try:
        return max(0, int(properties.get("priority") or 0))
    except (TypeError, ValueError):
        return 0


def _stem(topic: str) -> str:
    return topic_name("", topic, TOPIC_LENGTH - len(SUFFIX) - 3)
