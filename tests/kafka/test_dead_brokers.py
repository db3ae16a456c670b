"""Publishing where no broker answers: an error that Celery knows, in bounded time, at every call."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from project.kafka import bindings
from tests.kafka.conftest import TANSU_OPTIONS, TANSU_QUICK, publish, receive
from tests.servers import Server, start_tansu
from tests.waiting import eventually, stopped

TIMEOUT = 1.0
#: A call may look for a connection, then for the topic, then wait for the confirmation; a busy machine is slow.
BOUND = 10 * TIMEOUT


def client(address: str) -> Celery:
    app = Celery("client", broker=f"kafka://{address}", broker_connection_timeout=TIMEOUT, set_as_current=False)
    app.conf.broker_transport_options = {**TANSU_OPTIONS, "connect_timeout": TIMEOUT, "publish_timeout": TIMEOUT}
    app.conf.task_ignore_result = True
    return app


def fails(app: Celery, retry: bool = False) -> None:
    began = time.monotonic()
    with pytest.raises(OperationalError):
        app.send_task("task", retry=retry)
    assert time.monotonic() - began < BOUND * (4 if retry else 1)


def works(app: Celery) -> bool:
    try:
        app.send_task("task", retry=False)
    except OperationalError:
        return False
    return True


def published(connection: Connection, queue: Queue, body: str) -> bool:
    try:
        publish(connection, queue, body)
    except OperationalError:
        return False
    return True


@pytest.fixture
def server() -> Iterator[Server]:
    server = start_tansu()
    yield server
    server.stop()


def test_a_broker_that_dies_is_an_error_at_each_call_until_it_is_back(server: Server) -> None:
    with client(server.address) as app:
        app.send_task("task")
        server.kill()
        for _ in range(3):
            fails(app)
        fails(app, retry=True)
        server.start()
        eventually(lambda: works(app), 30)


def test_a_broker_that_hangs_is_an_error_at_each_call_until_it_goes_on(server: Server) -> None:
    with client(server.address) as known, client(server.address) as stranger:
        known.send_task("task")
        os.kill(server.process.pid, signal.SIGSTOP)
        eventually(lambda: stopped(server.process.pid), 10)
        for _ in range(2):
            fails(known)
            fails(stranger)
        os.kill(server.process.pid, signal.SIGCONT)
        eventually(lambda: works(known) and works(stranger), 30)


def test_a_port_where_somebody_else_listens_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, client(f"127.0.0.1:{listener.getsockname()[1]}") as app:
        for _ in range(2):
            fails(app)


def test_a_queue_that_another_process_deletes_is_bound_no_more(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has bound nothing itself, and read nothing yet."""
    monkeypatch.setattr(bindings, "STALE_AFTER", 0.0)
    url, exchange = f"kafka://{server.address}", Exchange(name, type="fanout")
    processes = [{**TANSU_QUICK, "publish_timeout": 5.0, "connect_timeout": seconds} for seconds in (2.0, 2.1)]
    with Connection(url, transport_options=processes[0]) as connection:
        publish(connection, Queue(name, exchange), "before")
        with Connection(url, transport_options=processes[1]) as other:
            Queue(name)(other.default_channel).delete()
        connection.Producer().publish("after", exchange=name, routing_key="")
        assert name not in connection.default_channel._topics.counts()


def test_a_broker_that_has_forgotten_all_is_told_the_bindings_again(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever knows them, also of queues of others, so that a process that comes now finds them."""
    monkeypatch.setattr(bindings, "STALE_AFTER", 0.0)
    mine, theirs = (Queue(f"{name}-{of}", Exchange(name), routing_key=of) for of in ("mine", "theirs"))
    url = f"kafka://{server.address}"
    # A fresh producer's first message may wait half a second for its id, longer on a busy machine.
    processes = [{**TANSU_QUICK, "publish_timeout": 5.0, "connect_timeout": seconds} for seconds in (2.0, 2.1, 2.2)]
    for queue, options in zip((theirs, mine), processes, strict=False):
        with Connection(url, transport_options=options) as connection:
            publish(connection, queue, "before")
    server.kill()
    server.start()
    with Connection(url, transport_options=processes[1]) as connection:
        eventually(lambda: published(connection, mine, "after"), 20)
        assert [message.decode() for message in receive(connection, mine, 1)] == ["after"]
    with Connection(url, transport_options=processes[2]) as connection:
        connection.Producer().publish("found", exchange=name, routing_key="theirs")
    with Connection(url, transport_options=processes[0]) as connection:
        assert [message.decode() for message in receive(connection, theirs, 1)] == ["found"]
        connection.Producer().publish("known", exchange=name, routing_key="mine")
    with Connection(url, transport_options=processes[1]) as connection:
        assert "known" in [message.decode() for message in receive(connection, mine, 2)]
