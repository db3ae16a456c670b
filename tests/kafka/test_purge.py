"""`celery purge`: what waits is passed over, whether workers consume the queue or not."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.exceptions import ChannelError

from tests.kafka.conftest import OPTIONS, TANSU_QUICK, publish, receive
from tests.waiting import eventually


@pytest.mark.kafka
def test_a_queue_is_purged_under_its_worker(kafka_address: str, name: str, queue: Queue) -> None:
    """Also what the worker has fetched, and not begun. What it has in hand ends as ever."""
    url, options = f"kafka://{kafka_address}", {**OPTIONS, "partitions": 2, "max_buffered": 1, "group_id": name}
    with Connection(url, transport_options=options) as worker, Connection(url, transport_options=options) as other:
        publish(other, queue, *range(200))
        messages = receive(worker, queue, 1, prefetch_count=1)
        member = worker.default_channel._members[queue.name]
        eventually(lambda: bool(member.waiting()), 20)
        # The one in hand counts until the worker's next commit tells of it.
        assert queue(other.default_channel).purge() in (199, 200)
        assert other.default_channel._size(queue.name) == 0
        eventually(lambda: not member.waiting(), 20)
        messages[0].ack()
        publish(other, queue, "after", "later")
        while len(messages) < 3:
            worker.drain_events(timeout=20)
            messages[-1].ack()
        assert {message.decode() for message in messages[1:]} == {"after", "later"}
    with Connection(url, transport_options=options) as worker:
        publish(worker, queue, "last")
        assert [message.decode() for message in receive(worker, queue, 1)] == ["last"]


@pytest.mark.kafka
def test_a_queue_that_another_group_reads_is_not_purged_under_its_worker(
    kafka: tuple[str, dict[str, Any]], queue: Queue
) -> None:
    url, options = kafka
    other_group = {**options, "group_id": "auditors"}
    with Connection(url, transport_options=options) as worker, Connection(url, transport_options=other_group) as other:
        publish(worker, queue, *range(10))
        receive(other, queue, 10)
        receive(worker, queue, 10)
        with pytest.raises(ChannelError, match="another group reads it too"):
            queue(worker.default_channel).purge()
        assert other.default_channel._size(queue.name) == 10


def test_where_records_cannot_be_deleted_a_purge_under_a_worker_is_refused(tansu_address: str, queue: Queue) -> None:
    with Connection(f"kafka://{tansu_address}", transport_options=TANSU_QUICK) as worker:
        publish(worker, queue, *range(10))
        receive(worker, queue, 10)
        with pytest.raises(ChannelError, match="can't be purged while it is consumed"):
            queue(worker.default_channel).purge()
