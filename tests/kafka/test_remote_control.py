"""Remote control, its replies and events between processes."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest
from confluent_kafka import Producer
from kombu import Connection, Exchange, Queue

from project.kafka import BrokerUnavailable, broadcast
from tests.kafka.conftest import Connect, publish, receive
from tests.kafka.rig import Rig
from tests.waiting import eventually


def test_a_client_finds_asks_and_stops_workers(rig: Rig) -> None:
    workers = {f"{name}@test": rig.start(name) for name in ("w1", "w2")}
    control = rig.app.control
    eventually(lambda: set(control.inspect(timeout=1).ping() or ()) == set(workers), 40)
    # Each is asked until it is answered: a late reply to the question before takes the place of this one's in kombu.
    inspect = control.inspect(["w1@test"], timeout=5)
    eventually(lambda: inspect.ping() == {"w1@test": {"ok": "pong"}}, 30)
    eventually(lambda: "trace" in (inspect.registered() or {}).get("w1@test", ()), 30)
    eventually(lambda: (inspect.stats() or {}).get("w1@test", {}).get("pid") == workers["w1@test"].pid, 30)
    rig.trace.clone((1, 200.0)).apply_async()
    rig.wait_for(lambda: bool(rig.traces("begun")))
    running: dict[str, Any] = {}

    def told() -> bool:
        running.update((worker, tasks) for worker, tasks in (control.inspect().active() or {}).items() if tasks)
        return [task["args"] for tasks in running.values() for task in tasks] == [[1, 200.0]]

    eventually(told, 20)
    (busy,) = running
    (idle,) = set(workers) - {busy}
    control.broadcast("shutdown", destination=[idle])
    assert workers[idle].wait(60) == 0
    eventually(lambda: control.inspect(timeout=2).ping() == {busy: {"ok": "pong"}}, 30)


def test_a_revoked_task_does_not_run(rig: Rig) -> None:
    rig.start("w1")
    eventually(lambda: bool(rig.app.control.inspect(timeout=1).ping()), 40)
    rig.app.control.revoke("no-thanks")
    eventually(lambda: rig.app.control.inspect(timeout=1).revoked() == {"w1@test": ["no-thanks"]}, 20)
    rig.trace.clone((1,)).apply_async(task_id="no-thanks")
    rig.trace.clone((2,)).apply_async()
    assert set(rig.wait_ended(1)) == {2}
    assert [number for number, _ in rig.traces("begun")] == [2]


def test_events_reach_a_monitor(rig: Rig) -> None:
    rig.start("w1", "-E")
    seen: list[dict[str, Any]] = []
    with rig.app.connection_for_read() as connection:
        receiver = rig.app.events.Receiver(connection, handlers={"*": seen.append})
        watching = threading.Thread(target=_capture, args=(receiver,), daemon=True)
        watching.start()
        eventually(lambda: any(event["type"] == "worker-heartbeat" for event in seen), 40)
        rig.trace.clone((5,)).apply_async(task_id="watched")
        eventually(lambda: any(e["type"] == "task-succeeded" and e["uuid"] == "watched" for e in seen), 30)
        receiver.should_stop = True
        watching.join(20)
    assert {event["type"] for event in seen if event.get("uuid") == "watched"} >= {"task-received", "task-started"}


def _capture(receiver: Any) -> None:
    receiver.capture(limit=None, timeout=30, wakeup=False)


def test_a_fanout_reaches_every_queue_also_one_whose_consumer_is_away(connect: Connect, name: str) -> None:
    exchange = Exchange(name, type="fanout")
    durable, transient = Queue(f"{name}-kept", exchange), Queue(f"{name}-passing", exchange, auto_delete=True)
    there = connect()
    durable(there.default_channel).declare()
    transient(there.default_channel).declare()
    publish(connect(), Queue(f"{name}-mine", exchange), "to all")
    assert [message.decode() for message in receive(there, transient, 1)] == ["to all"]
    assert [message.decode() for message in receive(there, durable, 1)] == ["to all"]
    assert [message.decode() for message in receive(connect(), Queue(f"{name}-mine", exchange), 1)] == ["to all"]


@pytest.mark.kafka
def test_transient_queues_make_no_topics(kafka: tuple[str, dict[str, Any]], name: str) -> None:
    url, options = kafka
    with Connection(url, transport_options=options) as connection:
        exchange = Exchange(name, type="direct", durable=False)
        topics = connection.default_channel._topics

        def count() -> int:
            return len(topics._metadata().topics)

        Queue(f"{name}-0", exchange, routing_key="0", exclusive=True)(connection.default_channel).declare()
        before = count()
        for number in range(1, 20):
            Queue(f"{name}-{number}", exchange, routing_key=str(number), exclusive=True)(
                connection.default_channel
            ).declare()
        assert count() == before


def test_a_reply_finds_a_queue_that_was_bound_a_moment_ago(connect: Connect, name: str) -> None:
    """The worker that replies read the table of bindings before the client made its queue."""
    exchange = Exchange(name, type="direct", durable=False)
    worker, client = connect(), connect()
    early = Queue(f"{name}-early", exchange, routing_key="early", exclusive=True)
    publish(worker, early, "warm")
    reply_queue = Queue(f"{name}-reply", exchange, routing_key="me", exclusive=True)
    reply_queue(client.default_channel).declare()
    began = time.monotonic()
    worker.Producer().publish("answer", exchange=exchange, routing_key="me")
    assert [message.decode() for message in receive(client, reply_queue, 1, no_ack=True)] == ["answer"]
    assert time.monotonic() - began < 10


def test_what_is_for_others_does_not_end_a_wait(connect: Connect, name: str) -> None:
    """kombu waits for a reply with a single drain_events: another client's must not take its place."""
    exchange = Exchange(name, type="direct", durable=False)
    queues = {key: Queue(f"{name}-{key}", exchange, routing_key=key, exclusive=True) for key in ("me", "other")}
    mine, others, worker = connect(), connect(), connect()
    queues["me"](mine.default_channel).declare()
    queues["other"](others.default_channel).declare()
    messages: list[Any] = []
    consumer = mine.Consumer(queues["me"], on_message=messages.append, no_ack=True)
    consumer.consume()
    worker.Producer().publish("for others", exchange=exchange, routing_key="other")
    receive(others, queues["other"], 1, no_ack=True)
    later = threading.Timer(1, lambda: worker.Producer().publish("for me", exchange=exchange, routing_key="me"))
    later.start()
    mine.drain_events(timeout=20)
    later.join()
    assert [message.decode() for message in messages] == ["for me"]


@pytest.fixture
def mine(name: str) -> Queue:
    return Queue(name, Exchange(name, durable=False), routing_key="me", exclusive=True)


def test_a_broadcast_that_is_no_message_ends_nobody(connect: Connect, mine: Queue) -> None:
    """Each worker would read it, and end."""
    client = connect()
    mine(client.default_channel).declare()
    raw = Producer({"bootstrap.servers": client.transport.address.hosts})
    for info in ({"exchange": mine.exchange.name, "routing_key": "me"}, {"exchange": ["x"], "routing_key": "me"}):
        properties = {"body_encoding": "base64", "delivery_info": info}
        raw.produce(
            broadcast.broadcast_topic("", mine.exchange.name),
            json.dumps({"body": "x", "headers": {}, "properties": properties}),
            partition=0,
        )
    assert raw.flush(10) == 0
    publish(connect(), mine, "good")
    assert [message.decode() for message in receive(client, mine, 1, no_ack=True)] == ["good"]


def test_what_comes_faster_than_it_is_taken_waits_at_the_broker(
    connect: Connect, mine: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "MOST_READY", 5)
    client = connect()
    mine(client.default_channel).declare()
    publish(connect(), mine, *range(30))
    messages: list[Any] = []
    client.Consumer(mine, on_message=messages.append, no_ack=True).consume()
    reader = client.default_channel._reader
    eventually(lambda: len(reader._ready) == 5, 20)
    while len(messages) < 30:
        client.drain_events(timeout=20)
    assert [message.decode() for message in messages] == list(range(30))


def last(reader: broadcast.BroadcastReader) -> bytes:
    return base64.b64decode(json.loads(reader._ready[-1].value)["body"])


def test_of_what_nobody_listens_to_the_newest_is_kept(
    connect: Connect, mine: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web process that has asked once would else keep every answer to others from then on."""
    monkeypatch.setattr(broadcast, "MOST_READY", 5)
    client = connect()
    mine(client.default_channel).declare()
    messages: list[Any] = []
    consumer = client.Consumer(mine, on_message=messages.append, no_ack=True)
    consumer.consume()
    consumer.cancel()
    publish(connect(), mine, *range(30))
    reader = client.default_channel._reader
    eventually(lambda: bool(reader._ready) and last(reader) == b"29", 20)
    assert len(reader._ready) <= 5
    consumer.consume()
    while not messages or messages[-1].decode() != 29:
        client.drain_events(timeout=20)


def test_a_reader_that_ends_is_noticed(connect: Connect, mine: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker would else be deaf for good."""

    def fails(reader: broadcast.BroadcastReader) -> bool:
        raise RuntimeError("can't start new thread")

    client = connect()
    mine(client.default_channel).declare()
    monkeypatch.setattr(broadcast.BroadcastReader, "_has_room", fails)
    client.Consumer(mine, no_ack=True).consume()
    with pytest.raises(BrokerUnavailable, match="can't start new thread"):
        client.drain_events(timeout=20)
