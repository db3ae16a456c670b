"""Dead letters: listed, sent again, dropped.

A Kafka log can't lose a record in its middle, and what a group has committed is forgotten some days after its last
commit. So a letter that is handled leaves with all that lies in front of it: what is not handled of that is stored
again behind, confirmed; then the rest is committed as done and deleted. A letter keeps its id, which is where its
record was when it died. A crash in between leaves letters twice, under the same id: they are shown, and handled, as
one.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from kombu.exceptions import OperationalError

from .errors import BrokerUnavailable, Refused, checked
from .groups import QUIET, Stored
from .metadata import decode as decode_metadata
from .options import Options
from .producer import ConfirmedProducer
from .ranks import queue_topic
from .readers import Incomplete, Part
from .records import DEAD_DELIVERIES, DEAD_ORIGIN, DEAD_PREFIX, DEAD_REASON, DEAD_TIME, DELIVERIES, BadRecord, Headers
from .records import decode as decode_message
from .records import number as number_in
from .topics import Topics
from .trim import shared_trimmer

#: How long the broker may send nothing while it is known to have more, in seconds.
PATIENCE = 15.0
#: So many letters are sent again before they are taken out of the dead letters: what a crash in between can repeat.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `id` and `origin` are topic:partition:offset; `copies` are where it lies now."""

    id: str
    reason: str
    died: str
    deliveries: int
    origin: str | None
    task: str | None
    task_id: str | None
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    copies: list[tuple[Part, int]] = field(repr=False)

    @property
    def topic(self) -> str:
        """Where it came from."""
        return self.id.rsplit(":", 2)[0]

    def is_like(self, other: Letter) -> bool:
        """Whether the other is a copy, or the same record that has died twice."""
        return (self.id, self.key, self.value, self.task_id) == (other.id, other.key, other.value, other.task_id)

    @property
    def original_headers(self) -> Headers:
        """As they were before it was delivered and died."""
        return [(name, value) for name, value in self.headers if not _is_ours(name)]


class DeadLetters:
    """Of every queue of this application."""

    def __init__(
        self, config: Mapping[str, Any], options: Options, topics: Topics, producer: ConfirmedProducer
    ) -> None:
        self._config, self._options = config, options
        self._topics, self._producer = topics, producer

    def topic_of(self, topic: str) -> str:
        """Where the dead letters of a queue's topic are."""
        suffix = self._options.dead_letter_suffix
        return topic if topic.endswith(suffix) else topic + suffix

    def of(self, topic: str) -> list[Letter]:
        """The letters of a queue's topic, the oldest first."""
        letters: dict[str, Letter] = {}
        found = [(_letter(message), message) for message in self._records(self.topic_of(topic))]
        # Which of two has the plain id must not depend on the partition that is read first.
        for letter, message in sorted(found, key=lambda pair: (pair[0].died, _place(pair[1]))):
            known = letters.get(letter.id)
            if known is None:
                letters[letter.id] = letter
            elif known.is_like(letter):
                known.copies.extend(letter.copies)
            else:  # from a topic that was deleted and made again: its offsets began anew
                letters[_own_id(message)] = replace(letter, id=_own_id(message))
        return sorted(letters.values(), key=lambda letter: letter.died)

    def find(self, ids: Collection[str]) -> list[Letter]:
        """Raises Refused where one isn't there."""
        topics = sorted({queue_topic(id.rsplit(":", 2)[0]) for id in ids})
        found = {letter.id: letter for topic in topics for letter in self.of(topic)}
        missing = [id for id in ids if id not in found]
        if missing:
            raise Refused(f"there is no dead letter {', '.join(missing)}; celery kafka dead list shows those there are")
        return [found[id] for id in dict.fromkeys(ids)]

    def replay(self, letters: Collection[Letter]) -> list[Letter]:
        """Store letters again in their queues, confirmed, then drop them. Returns those that were.

        A letter without its record can't be. Raises PublishFailed or BrokerUnavailable; what was stored until then is
        dropped.
        """
        sent: list[Letter] = []
        able = [letter for letter in letters if letter.value is not None]
        for start in range(0, len(able), BATCH):
            done: list[Letter] = []
            try:
                for letter in able[start : start + BATCH]:
                    topic = letter.topic.removesuffix(self._options.dead_letter_suffix)
                    self._producer.send(topic, letter.value, letter.original_headers, letter.key)
                    done.append(letter)
            finally:
                self.drop(done)
            sent += done
        return sent

    def drop(self, letters: Collection[Letter]) -> None:
        """Take letters out for good. Raises BrokerUnavailable."""
        handled: dict[Part, set[int]] = {}
        for letter in letters:
            for part, offset in letter.copies:
                handled.setdefault(part, set()).add(offset)
        for topic in {topic for topic, _ in handled}:
            parts = {part: offsets for part, offsets in handled.items() if part[0] == topic}
            self._keep_those_in_front(topic, parts)
            self._finish(topic, {part: max(offsets) + 1 for part, offsets in parts.items()})

    def _keep_those_in_front(self, topic: str, handled: Mapping[Part, set[int]]) -> None:
        for message in self._records(topic, {part: max(offsets) for part, offsets in handled.items()}):
            part, offset = _place(message)
            if offset not in handled[part]:
                headers = _headers(message)
                about = {DEAD_ORIGIN: _letter(message).id, DEAD_TIME: _letter(message).died}
                names = {name for name, _ in headers}
                headers += [(name, value.encode()) for name, value in about.items() if name not in names]
                self._producer.send(topic, message.value(), headers, message.key())

    def _finish(self, topic: str, before: Mapping[Part, int]) -> None:
        group_id = self._options.group_of(topic)
        try:
            self._topics.groups.commit(group_id, {part: Stored(offset) for part, offset in before.items()})
        except OperationalError as error:
            raise BrokerUnavailable(f"the dead letters of {topic} can't be marked as handled: {error}") from error
        try:
            if self._topics.deletable([topic]):
                shared_trimmer(self._topics, self._options).trim(list(before))
        except Incomplete:
            pass  # they stay on the disk, and the group's offsets say that they are handled

    # --- reading ----------------------------------------------------------------------------------------------------

    def _records(self, topic: str, ends: Mapping[Part, int] | None = None) -> Iterator[Message]:
        """The records that aren't handled, of all partitions up to their end, or of some up to `ends`."""
        bounds = self._topics.bounds([topic])
        stored = self._topics.groups.committed(self._options.group_of(topic), bounds) if bounds else {}
        known = {part: decode_metadata(item.offset, item.metadata) for part, item in stored.items()}
        begins = {part: max(begin, stored[part].offset if part in stored else 0) for part, (begin, _) in bounds.items()}
        left = {part: end for part, (_, end) in bounds.items()} if ends is None else dict(ends)
        for message in self._read({part: (begins[part], end) for part, end in left.items() if begins[part] < end}):
            part, offset = _place(message)
            position = known.get(part)
            if position is None or offset >= position.end or offset in position.unfinished:
                yield message

    def _read(self, spans: Mapping[Part, tuple[int, int]]) -> Iterator[Message]:
        if not spans:
            return
        own = {"group.id": self._options.reader_group, "fetch.wait.max.ms": 10, **QUIET}
        consumer = checked(Consumer, {**self._config, **self._options.consumer_config("dead"), **own})
        try:
            consumer.assign([TopicPartition(*part, begin) for part, (begin, _) in spans.items()])
            left = {part: end for part, (_, end) in spans.items()}
            deadline = time.monotonic() + PATIENCE
            while left:
                for message in consumer.consume(500, 0.2):
                    if message.error() is None and _place(message)[1] < left.get(_place(message)[0], 0):
                        deadline = time.monotonic() + PATIENCE
                        yield message
                positions = consumer.position([TopicPartition(*part) for part in left])
                left = {
                    (part.topic, part.partition): left[part.topic, part.partition]
                    for part in positions
                    if part.offset < left[part.topic, part.partition]
                }
                if time.monotonic() > deadline:
                    raise BrokerUnavailable("the dead letters can't be read: the broker sends nothing")
        except KafkaException as exception:
            raise BrokerUnavailable(f"the dead letters can't be read: {exception.args[0].str()}") from exception
        finally:
            consumer.close()


def _letter(message: Message) -> Letter:
    part, offset = _place(message)
    headers = _headers(message)
    value, origin = message.value(), _text(headers, DEAD_ORIGIN)
    task, task_id = _task(value)
    return Letter(
        id=origin or _own_id(message),
        reason=_text(headers, DEAD_REASON) or "unknown",
        died=_text(headers, DEAD_TIME) or _time(message),
        deliveries=number_in(headers, DEAD_DELIVERIES),
        origin=origin,
        task=task,
        task_id=task_id,
        key=message.key(),
        value=value,
        headers=headers,
        copies=[(part, offset)],
    )


def _own_id(message: Message) -> str:
    (topic, number), offset = _place(message)
    return f"{topic}:{number}:{offset}"


def _place(message: Message) -> tuple[Part, int]:
    return (message.topic() or "", message.partition() or 0), message.offset() or 0


def _headers(message: Message) -> Headers:
    # confluent_kafka's types allow a mapping too; a record that came from a broker has a list.
    return list(cast(Headers, message.headers() or []))


def _task(value: bytes | None) -> tuple[str | None, str | None]:
    try:
        headers = decode_message(value or b"").get("headers") or {}
    except BadRecord:
        return None, None
    task, task_id = headers.get("task"), headers.get("id")
    return (None if task is None else str(task)), (None if task_id is None else str(task_id))


def _text(headers: Iterable[tuple[str, str | bytes | None]], name: str) -> str | None:
    value = next((value for key, value in headers if key == name), None)
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _time(message: Message) -> str:
    return datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC).isoformat(timespec="milliseconds")


def _is_ours(name: str) -> bool:
    return name.startswith(DEAD_PREFIX) or name == DELIVERIES
