"""Who else reads a topic: records that another group hasn't consumed must stay.

A group is anything that has committed an offset for the topic: workers with another ``group_id`` (these as soon as they
are there), or a program that has nothing to do with Celery.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from .delay import consumers_of
from .groups import Member, Stored
from .options import Options
from .topics import Topics

Part = tuple[str, int]
#: A group that read none of these topics is asked again after this time, in seconds; with a member there, at once.
FOREIGN_FOR = 300.0


class Incomplete(Exception):
    """It can't be told who reads the topics; the text says why."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A group, which of the topics it reads, what it has stored for them, and its members."""

    group: str
    topics: frozenset[str]
    stored: Mapping[Part, Stored]
    members: list[Member]


class Readers:
    """The groups that read this application's topics beside its own. Safe to share among threads, not across a fork."""

    def __init__(self, topics: Topics, options: Options) -> None:
        self._topics, self._options = topics, options
        self._foreign: dict[tuple[str, str], float] = {}  # (group, topic) -> believed until
        self._lock = threading.Lock()

    def needed(self, topics: Collection[str], cancelled: Callable[[], bool] = lambda: False) -> dict[Part, int]:
        """The first offset of each partition that another group still needs; partitions that nobody else reads are
        left out.

        Raises Incomplete, also when `cancelled` says so: asking many groups takes a while.
        """
        if not self._topics.may_see_groups():
            raise Incomplete("the right Describe on the cluster is missing: there may be groups that can't be seen")
        counts = self._topics.counts()
        needed: dict[Part, int] = {}
        own = {consumers_of(topic, self._options) for topic in counts}
        # Not who the members are: librdkafka 2.16.1 may abort the process (confluentinc/librdkafka#4605, #5397) where
        # a broker goes while a group's coordinator is asked to describe it, and this is asked by workers.
        for reader in self._ask(topics, counts, own, {}, cancelled):
            for topic in reader.topics:
                for part in ((topic, number) for number in range(counts.get(topic, 0))):
                    # Nothing stored: it has to begin yet.
                    offset = reader.stored[part].offset if part in reader.stored else 0
                    needed[part] = min(offset, needed.get(part, offset))
        return needed

    def all_of(self, topics: Collection[str]) -> list[Reader]:
        """Every group that can be seen and reads these topics, our own too."""
        groups = self._topics.groups
        members = groups.members(group for group, active in groups.listed().items() if active)
        return list(self._ask(topics, self._topics.counts(), frozenset(), members, lambda: False))

    def _ask(
        self,
        topics: Collection[str],
        counts: Mapping[str, int],
        leave_out: Collection[str],
        members: Mapping[str, list[Member]],
        cancelled: Callable[[], bool],
    ) -> Iterator[Reader]:
        groups = self._topics.groups
        listed = {group: active for group, active in groups.listed().items() if group not in leave_out}
        for group, active in listed.items():
            assigned = {part for member in members.get(group, ()) for part in member.assigned}
            here = {topic for topic, _ in assigned}
            here |= {topic for topic in topics if active and group.endswith(f".{topic}")}
            asked = [topic for topic in topics if topic in here or not self._is_foreign(group, topic)]
            if not asked:
                continue
            if cancelled():
                raise Incomplete("no time left to ask every group")
            parts = [(topic, number) for topic in asked for number in range(counts.get(topic, 0))]
            stored = groups.committed_once(group, parts)
            here |= {topic for topic, _ in stored}
            for topic in asked:
                if topic not in here:
                    self._note_foreign(group, topic)
            if here.intersection(asked):
                yield Reader(group, frozenset(here.intersection(asked)), stored, list(members.get(group, ())))

    def _is_foreign(self, group: str, topic: str) -> bool:
        with self._lock:
            return self._foreign.get((group, topic), 0.0) > time.monotonic()

    def _note_foreign(self, group: str, topic: str) -> None:
        if not group.endswith(f".{topic}"):  # workers with another group_id: always asked
            with self._lock:
                self._foreign[group, topic] = time.monotonic() + FOREIGN_FOR
