"""What goes wrong around a consumer, at the level of single messages: brokers, rebalances, late acknowledgements."""

from __future__ import annotations

from typing import Any

from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from tests.kafka.conftest import TANSU_OPTIONS, publish
from tests.servers import start_tansu
from tests.waiting import eventually


def test_the_new_messages_of_a_broker_that_forgot_everything_are_all_consumed() -> None:
    """Its offsets begin at 0 again: what is known of the old log must not be taken for the new one."""
    server = start_tansu()
    try:
        url, options = f"kafka://{server.address}", {**TANSU_OPTIONS, "publish_timeout": 2.0, "partitions": 1}
        queue = Queue("anew", Exchange("anew"), routing_key="anew")
        with (
            Connection(url, transport_options=options) as consuming,
            Connection(url, transport_options=options) as other,
        ):
            publish(other, queue, *range(40))
            got: list[Any] = []

            def keep(message: Any) -> None:
                got.append(message.decode())
                message.ack()

            consumer = consuming.Consumer(queue, on_message=keep)
            consumer.consume()
            while len(got) < 40:
                consuming.drain_events(timeout=20)
            eventually(lambda: not other.default_channel._size(queue.name), 20)
            server.kill()
            server.start()
            for number in range(100, 110):
                eventually(lambda number=number: published(other, queue, number), 60)  # type: ignore[misc]
            while not set(got) >= set(range(100, 110)):
                consuming.drain_events(timeout=60)
    finally:
        server.stop()


def published(connection: Connection, queue: Queue, body: Any) -> bool:
    """Whether the broker took it."""
    try:
        publish(connection, queue, body)
    except OperationalError:
        connection.declared_entities.clear()
        return False
    return True
