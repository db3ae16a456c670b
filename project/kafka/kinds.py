"""The kinds of topics that the transport makes, and how each keeps its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """How a topic is made. Without `partitions` it gets as many as the options say."""

    config: Mapping[str, str]
    partitions: int | None = None


#: An index has an entry for each 4 KB of its segment: that of 16 MB needs 48 KB. The broker sets aside 10 MB unless
#: told otherwise, at the first entry, and who publishes just then waits for that: 8 to 60 ms.
_SEGMENT = {"segment.bytes": str(16 * 1024 * 1024), "segment.index.bytes": str(64 * 1024)}
#: The age of a message is the broker's business, whatever the clocks of those who publish say.
_BROKERS_TIME = {"message.timestamp.type": "LogAppendTime"}
#: A queue must keep what nobody has consumed yet, however old it is; small segments let what is consumed be trimmed.
QUEUE = Kind({"retention.ms": "-1", "retention.bytes": "-1", **_SEGMENT, **_BROKERS_TIME})
#: What is broadcast is for those who listen at the time; ten minutes are for readers that lag.
BROADCAST = Kind({"retention.ms": "600000", "segment.ms": "600000", **_SEGMENT, **_BROKERS_TIME}, partitions=1)
#: A table keeps the newest record of each key.
TABLE = Kind({"cleanup.policy": "compact", "segment.ms": "3600000", **_SEGMENT}, partitions=1)
#: One level of what is due later (see delay.py). One clock must say how long its records have waited: the broker's.
DELAY = Kind({**QUEUE.config, "message.timestamp.type": "LogAppendTime"}, partitions=1)
