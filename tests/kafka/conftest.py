"""The brokers that the transport is tried on, and connections to them."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from kombu import Connection, Exchange, Queue, pools

import project.kafka  # noqa: F401  (registers kafka://)
from project.kafka.shared import give_up_shared
from project.local.kafka_libs import Missing
from tests.kafka.rig import Rig
from tests.servers import start_kafka, start_tansu

#: Groups are as quick as the brokers allow, so that a test that kills a member need not wait long.
OPTIONS = {"session_timeout": 6.0, "connect_timeout": 10.0}
#: Each who joins a group on Tansu waits for half the session timeout: this is bin/run's.
TANSU_OPTIONS = {**OPTIONS, "session_timeout": 4.0, "static_membership": False, "fetch.wait.max.ms": 10}
#: For members in the tests' own process, which start faster than a worker's.
TANSU_QUICK = {**TANSU_OPTIONS, "session_timeout": 2.0}
_names = itertools.count()


@pytest.fixture(autouse=True)
def clients_end_with_their_test() -> Iterator[None]:
    """Each test has a configuration of its own, so clients of its own: by the hundred their threads cost more than the
    tests, most of all where they look for a broker that is gone. Those of a rig that several share end with it."""
    yield
    if Rig.living:
        return
    pools.reset()
    give_up_shared()
    gc.collect()  # kombu's connections, channels and transports hold each other


@pytest.fixture(scope="session", autouse=True)
def collections_are_quick() -> None:
    """What is imported by now stays anyway: it needn't be looked through after each test."""
    gc.collect()
    gc.freeze()


def skip_without_kafka(reason: Missing) -> NoReturn:
    if os.environ.get("REQUIRE_ALL"):
        raise reason
    pytest.skip(f"no Apache Kafka here: {reason}")


@pytest.fixture(scope="session")
def tansu_address() -> Iterator[str]:
    server = start_tansu()
    yield server.address
    server.stop()


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    try:
        # A group that nobody is in yet makes its first member wait for others, 3 s by default.
        cluster = start_kafka(
            settings={"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000"}
        )
    except Missing as reason:
        skip_without_kafka(reason)
    yield cluster.bootstrap
    cluster.stop()


BROKERS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """URL and transport options of each broker in turn."""
    return broker_of(request)


def broker_of(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """For a fixture of any scope that has BROKERS for its params."""
    address = request.getfixturevalue(f"{request.param}_address")
    return f"kafka://{address}", dict(TANSU_OPTIONS if request.param == "tansu" else OPTIONS)


@pytest.fixture
def kafka(kafka_address: str) -> tuple[str, dict[str, Any]]:
    return f"kafka://{kafka_address}", dict(OPTIONS)


@pytest.fixture
def quick_broker(broker: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """For members in this process."""
    url, options = broker
    return url, dict(TANSU_QUICK) if options == TANSU_OPTIONS else options


Connect = Callable[..., Connection]


@pytest.fixture
def connect(quick_broker: tuple[str, dict[str, Any]]) -> Iterator[Connect]:
    """Makes connections, each with the options given; they are closed at the end."""
    url, options = quick_broker
    opened: list[Connection] = []

    def connect(**more: Any) -> Connection:
        opened.append(Connection(url, transport_options={**options, **more}))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def name() -> str:
    """A name that no other test has: topics outlive the tests."""
    return new_name()


def new_name() -> str:
    return f"t{os.getpid()}-{next(_names)}"


@pytest.fixture
def queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)


@pytest.fixture
def rig(broker: tuple[str, dict[str, Any]], redis_server: str, name: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(*broker, redis_server, name, tmp_path)
    yield rig
    rig.close()


def publish(connection: Connection, queue: Queue, *bodies: Any, **properties: Any) -> None:
    producer = connection.Producer()
    for body in bodies:
        producer.publish(body, exchange=queue.exchange, routing_key=queue.routing_key, declare=[queue], **properties)


def receive(connection: Connection, queue: Queue, count: int, timeout: float = 60, **consumer: Any) -> list[Any]:
    """`count` messages, not acknowledged; the consumer stays."""
    messages: list[Any] = []
    active = connection.Consumer(queue, on_message=messages.append, **consumer)
    active.consume()
    while len(messages) < count:
        connection.drain_events(timeout=timeout)
    return messages
