"""What goes wrong around a consumer, at the level of single messages: brokers, rebalances, late acknowledgements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from tests.kafka.conftest import TANSU_OPTIONS, TANSU_QUICK, publish
from tests.kafka.rig import Rig
from tests.servers import start_tansu
from tests.waiting import eventually


class Inbox:
    """A consumer of one queue that keeps its messages and acknowledges them, unless it is told not to."""

    def __init__(self, connection: Connection, queue: Queue, ack: bool = True, **consumer: Any) -> None:
        self.connection, self.ack = connection, ack
        self.messages: list[Any] = []
        self._consumer = connection.Consumer(queue, on_message=self._keep, **consumer)
        self._consumer.consume()

    def _keep(self, message: Any) -> None:
        self.messages.append(message)
        if self.ack:
            message.ack()

    def bodies(self) -> list[Any]:
        return [message.decode() for message in self.messages]

    def drain(self, seconds: float) -> None:
        try:
            self.connection.drain_events(timeout=seconds)
        except TimeoutError:
            pass  # nothing came

    def drain_until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        def check() -> bool:
            self.drain(0.1)
            return done()

        eventually(check, seconds, every=0)


def test_the_new_messages_of_a_broker_that_forgot_everything_are_all_consumed() -> None:
    """Its offsets begin at 0 again: what is known of the old log must not be taken for the new one."""
    server = start_tansu()
    queue = Queue("anew", Exchange("anew"), routing_key="anew")
    url, options = f"kafka://{server.address}", {**TANSU_QUICK, "publish_timeout": 2.0, "partitions": 1}
    with ExitStack() as stack:
        stack.callback(server.stop)
        consuming, other = (stack.enter_context(Connection(url, transport_options=options)) for _ in range(2))
        publish(other, queue, *range(40))
        inbox = Inbox(consuming, queue)
        inbox.drain_until(lambda: len(inbox.messages) == 40)
        eventually(lambda: not other.default_channel._size(queue.name), 20)
        server.kill()
        server.start()
        for number in range(100, 110):
            eventually(lambda number=number: published(other, queue, number), 60)  # type: ignore[misc]
        inbox.drain_until(lambda: set(inbox.bodies()) >= set(range(100, 110)))


def test_after_a_broker_forgot_everything_workers_are_heard_again(redis_server: str, name: str, tmp_path: Path) -> None:
    """Questions and answers have offsets again that were passed before."""
    server = start_tansu()
    rig = Rig(f"kafka://{server.address}", TANSU_OPTIONS, redis_server, name, tmp_path)
    try:
        rig.start("w1")
        inspect = rig.app.control.inspect(["w1@test"], timeout=2)
        eventually(lambda: inspect.ping() is not None, 40)
        for _ in range(200):  # more than will be asked afterwards
            rig.app.control.broadcast("ping", destination=["nobody"])
        server.kill()
        server.start()
        eventually(lambda: answer(inspect) == {"w1@test": {"ok": "pong"}}, 60)
    finally:
        rig.close()
        server.stop()


def answer(inspect: Any) -> Any:
    """None while the broker doesn't take the question."""
    try:
        return inspect.ping()
    except OperationalError:
        return None


def published(connection: Connection, queue: Queue, body: Any) -> bool:
    """Whether the broker took it."""
    try:
        publish(connection, queue, body)
    except OperationalError:
        connection.declared_entities.clear()
        return False
    return True


@pytest.mark.kafka
def test_what_waits_for_a_consumer_when_its_partition_goes_is_delivered_by_the_next_one_only(
    kafka: tuple[str, dict[str, Any]], queue: Queue
) -> None:
    url, options = kafka
    with ExitStack() as stack:
        first, second = (stack.enter_context(Connection(url, transport_options=options)) for _ in range(2))
        publish(first, queue, *range(200))
        # One is in hand, the others have been polled and wait.
        slow = Inbox(first, queue, ack=False, prefetch_count=1)
        slow.drain_until(lambda: len(slow.messages) == 1)
        quick = Inbox(second, queue)
        # Whose partition it was decides whether the hand-over waits for it.
        slow.messages[0].ack()
        quick.drain_until(lambda: len(quick.messages) > 50)
        slow.ack = True

        def both_have_all() -> bool:
            quick.drain(0.1)
            return len(slow.messages) + len(quick.messages) >= 200

        slow.drain_until(both_have_all)
        slow.drain(0.5)
        quick.drain(0.5)
        assert Counter(slow.bodies() + quick.bodies()) == Counter(range(200))


@pytest.mark.kafka
def test_an_acknowledgement_counts_only_as_long_as_the_partition_is_there(
    kafka: tuple[str, dict[str, Any]], queue: Queue
) -> None:
    url, options = kafka
    options = {**options, "partitions": 2, "revoke_wait": 0.5}
    with ExitStack() as stack:
        first = stack.enter_context(Connection(url, transport_options=options))
        publish(first, queue, *range(20))
        late = Inbox(first, queue, ack=False)
        late.drain_until(lambda: len(late.messages) == 20)
        with Connection(url, transport_options=options) as second:
            other = Inbox(second, queue, ack=False)
            other.drain_until(lambda: len(other.messages) == 10)
            assert all(message.delivery_info["redelivered"] for message in other.messages)
            for message in late.messages:
                message.ack()
            eventually(lambda: second.default_channel._size(queue.name) == 10, 20)
        gone = sorted(other.bodies())
        late.drain_until(lambda: len(late.messages) == 30)
        assert sorted(late.bodies()[20:]) == gone
