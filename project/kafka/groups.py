"""Consumer groups seen from outside: which there are, what each has committed, who its members are."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from .errors import NOT_ALLOWED, NOT_YET, BrokerUnavailable, Refused, checked, denied
from .metadata import decode

T = TypeVar("T")

#: These clients are asked from time to time; what goes wrong then is raised. In between nobody polls them for logs.
QUIET = {"log_level": 0}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a group has committed for one partition."""

    offset: int
    metadata: str = ""

    def unfinished(self, begin: int, end: int) -> int:
        """How many of the records from `begin` up to `end` the group hasn't finished."""
        known = decode(self.offset, self.metadata)
        return sum(begin <= offset < end for offset in known.unfinished) + max(0, end - max(known.end, begin))

    def waiting(self, begin: int, end: int) -> int:
        """How many of them have not been handed to a task yet, as far as the last commit tells."""
        handed = decode(self.offset, self.metadata).deliveries
        return self.unfinished(begin, end) - sum(begin <= offset < end for offset in handed)


@dataclass(frozen=True, slots=True)
class Member:
    client_id: str
    host: str
    instance_id: str | None  # a static member's name
    assigned: frozenset[tuple[str, int]]  # topic, partition

    def __str__(self) -> str:
        return self.instance_id or f"{self.client_id}@{self.host.lstrip('/')}"


class Groups:
    """The brokers' consumer groups. Never a member itself. Safe to share among threads, not across a fork."""

    def __init__(self, config: Mapping[str, Any], admin: AdminClient, timeout: float) -> None:
        self._config = dict(config)
        self._admin = admin
        self._timeout = timeout
        self._clients: dict[str, Consumer] = {}
        self._lock = threading.Lock()

    def committed(self, group_id: str, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Stored]:
        """What the group has stored for these partitions; those that it has nothing for are left out."""
        client = self._client(group_id)
        return self._committed(client, partitions)

    def committed_once(self, group_id: str, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Stored]:
        """The same for a group that isn't asked often: no connection to its coordinator is kept."""
        client = self._new_client(group_id)
        try:
            return self._committed(client, partitions)
        finally:
            client.close()

    def commit(self, group_id: str, offsets: Mapping[tuple[str, int], Stored]) -> None:
        """Store offsets for a group without members. Raises BrokerUnavailable, its cause says why."""
        items = [
            TopicPartition(topic, number, stored.offset, metadata=stored.metadata)
            for (topic, number), stored in offsets.items()
        ]
        client = self._client(group_id)
        patiently(lambda: client.commit(offsets=items, asynchronous=False), self._timeout)

    def listed(self) -> dict[str, bool]:
        """The groups that there are and that we may see; True for those with members."""
        groups = patiently(lambda: self._admin.list_consumer_groups(request_timeout=self._timeout).result(), 0)
        if groups.errors:
            raise BrokerUnavailable(f"not every broker tells its groups: {groups.errors[0]}")
        idle = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)
        return {group.group_id: group.state not in idle for group in groups.valid}

    def members(self, group_ids: Iterable[str]) -> dict[str, list[Member]]:
        wanted = sorted(set(group_ids))
        if not wanted:
            return {}
        futures = self._admin.describe_consumer_groups(wanted, request_timeout=self._timeout)
        told = {group_id: patiently(future.result, 0) for group_id, future in futures.items()}
        return {group_id: [_member(member) for member in group.members] for group_id, group in told.items()}

    def forget(self, group_id: str) -> None:
        """Have the brokers forget what a group has committed. Raises Refused for one with members, or unknown."""
        future = self._admin.delete_consumer_groups([group_id], request_timeout=self._timeout)[group_id]
        try:
            patiently(future.result, 0)
        except BrokerUnavailable as error:
            code = error.__cause__.args[0].code() if isinstance(error.__cause__, KafkaException) else None
            if code == KafkaError.NON_EMPTY_GROUP:
                raise Refused(f"group {group_id!r} has members: stop them first") from None
            if code == KafkaError.GROUP_ID_NOT_FOUND:
                raise Refused(f"there is no group {group_id!r}") from None
            raise

    def _committed(self, client: Consumer, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Stored]:
        asked = [TopicPartition(topic, number) for topic, number in partitions]
        answer = patiently(lambda: client.committed(asked, timeout=self._timeout), self._timeout)
        failed = next((item.error for item in answer if item.error is not None), None)
        if failed is not None:
            raise BrokerUnavailable(f"the broker doesn't tell what is committed: {failed.str()}")
        return {
            (item.topic, item.partition): Stored(item.offset, item.metadata or "")
            for item in answer
            if item.offset >= 0
        }

    def _client(self, group_id: str) -> Consumer:
        with self._lock:
            if group_id not in self._clients:
                self._clients[group_id] = self._new_client(group_id)
            return self._clients[group_id]

    def _new_client(self, group_id: str) -> Consumer:
        """A client that reads and writes the group's offsets without being a member of it.

        Not the admin client's ListConsumerGroupOffsets: librdkafka 2.16.1 crashes the process where the broker
        answers that the group's coordinator is loading (seen on every fresh Kafka 4.3.1).
        """
        return checked(Consumer, {**self._config, **QUIET, "group.id": group_id, "enable.auto.commit": False})


def _member(told: Any) -> Member:
    assignment = told.assignment.topic_partitions if told.assignment is not None else ()
    assigned = frozenset((part.topic, part.partition) for part in assignment)
    return Member(told.client_id, told.host, told.group_instance_id, assigned)


def patiently(call: Callable[[], T], timeout: float, also: Collection[int] = ()) -> T:
    """What `call` returns, once the topic has its leader and the group its coordinator; BrokerUnavailable without.

    A fresh topic needs some milliseconds for that, a fresh broker a second. `also`: more errors that pass.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return call()
        except KafkaException as exception:
            error = exception.args[0]
            if error.code() in NOT_ALLOWED:
                raise denied(
                    error, "ask what a group has done", "Describe on the topic and on the group"
                ) from exception
            if error.code() not in (*NOT_YET, *also) or time.monotonic() > deadline:
                raise BrokerUnavailable(f"the broker can't tell yet: {error.str()}") from exception
            time.sleep(random.uniform(0.05, 0.15))
