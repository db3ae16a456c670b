"""TLS, passwords and access control on real Kafka: what gets in, what each kind of user needs, what a refusal says."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka.admin import AclOperation, ResourceType
from kombu import Connection

from project.kafka import AccessDenied, BrokerUnavailable
from project.local.kafka_libs import Missing
from tests.kafka.conftest import OPTIONS, skip_without_kafka
from tests.kafka.rig import Rig
from tests.kafka.secure import PASSWORD, SecureKafka

pytestmark = pytest.mark.kafka

Right = tuple[ResourceType, str, AclOperation]
SCRAM = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    server = SecureKafka(tmp_path_factory.mktemp("secure"))
    try:
        server.start()
    except Missing as reason:
        skip_without_kafka(reason)
    server.add_user("boss")
    yield server
    server.cluster.stop()


def url(server: SecureKafka, user: str, password: str = PASSWORD) -> str:
    return f"kafka://{user}:{quote(password, safe='')}@{server.sasl}"


def options(server: SecureKafka, **more: Any) -> dict[str, Any]:
    return {**OPTIONS, **SCRAM, **server.tls, **more}


def exchange_one(connection: Connection, name: str) -> Any:
    """Publish a message and get it again."""
    with connection, connection.SimpleQueue(name) as queue:
        queue.put("hello")
        message = queue.get(timeout=30)
        message.ack()
        return message.payload


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER", "mutual TLS", "broker_use_ssl"])
def test_each_way_to_say_who_one_is(secure: SecureKafka, name: str, way: str) -> None:
    if way == "mutual TLS":
        settings = {**OPTIONS, **secure.certificate, "security.protocol": "SSL"}
        connection = Connection(f"kafka://{secure.mutual}", transport_options=settings)
    elif way == "broker_use_ssl":  # as Celery's documentation has it for other brokers
        files = {"keyfile": "client.key", "certfile": "client.pem", "ca_certs": "ca.pem"}
        ssl = {key: str(secure.folder / file) for key, file in files.items()}
        connection = Connection(f"kafka://{secure.mutual}", transport_options=OPTIONS, ssl=ssl)
    elif way == "OAUTHBEARER":
        settings = {"enable.sasl.oauthbearer.unsecure.jwt": True, "sasl.oauthbearer.config": "principal=boss"}
        settings |= {**OPTIONS, **secure.tls, "security.protocol": "SASL_SSL", "sasl.mechanism": way}
        connection = Connection(f"kafka://{secure.sasl}", transport_options=settings)
    else:
        settings = {**OPTIONS, **secure.tls, "sasl.mechanism": way}
        connection = Connection(url(secure, "boss"), transport_options=settings, ssl=True)
    assert exchange_one(connection, name) == "hello"


def test_a_wrong_password_is_told_at_once_and_never_shown(
    secure: SecureKafka, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = Connection(url(secure, "boss", "not-the-password"), transport_options=options(secure, connect_timeout=30.0))
    began = time.monotonic()
    with wrong, pytest.raises(AccessDenied, match="refuses the user name, the password or the token") as denied:
        wrong.Producer().publish("x", routing_key="q")
    assert time.monotonic() - began < 20  # not the time that a broker which is away may take
    shown = f"{denied.value!r} {wrong!r} {wrong.transport.address!r} {wrong.transport.options!r} {caplog.text}"
    assert "not-the-password" not in shown


def test_a_broker_that_is_not_trusted_or_speaks_another_protocol_is_told_with_its_reason(secure: SecureKafka) -> None:
    untrusted = Connection(url(secure, "boss"), transport_options={**OPTIONS, **SCRAM})
    with pytest.raises(BrokerUnavailable, match="certificate verify failed"):
        untrusted.transport.establish_connection()
    plain = Connection(url(secure, "boss"), transport_options=OPTIONS)
    with pytest.raises(BrokerUnavailable, match=r"another security\.protocol"):
        plain.transport.establish_connection()


# --- access control -----------------------------------------------------------------------------------------------
# The lists are those of docs/transport.md.


def worker_rights(prefix: str, group: str) -> list[Right]:
    operations = (AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE)
    return [
        (ResourceType.GROUP, f"{prefix}celery.delay", AclOperation.READ),
        *((ResourceType.TOPIC, prefix, operation) for operation in operations),
        (ResourceType.GROUP, group, AclOperation.READ),
    ]


TRIM_RIGHTS = [
    (ResourceType.BROKER, "kafka-cluster", AclOperation.DESCRIBE),
    (ResourceType.GROUP, "*", AclOperation.DESCRIBE),
]


def client_rights(prefix: str, group: str) -> list[Right]:
    return [
        (ResourceType.TOPIC, prefix, AclOperation.WRITE),
        (ResourceType.TOPIC, f"{prefix}celery.bindings", AclOperation.READ),
        (ResourceType.GROUP, group, AclOperation.DESCRIBE),
    ]


def operator_rights(prefix: str, group: str) -> list[Right]:
    return [
        (ResourceType.TOPIC, prefix, AclOperation.READ),
        (ResourceType.TOPIC, f"{prefix}celery.", AclOperation.WRITE),
        (ResourceType.TOPIC, f"{prefix}celery.", AclOperation.CREATE),
        (ResourceType.GROUP, group, AclOperation.DESCRIBE),
    ]


class Users:
    """Applications of several users, each with a name of its own."""

    def __init__(self, server: SecureKafka, redis_url: str, name: str, logs: Path) -> None:
        self.server, self.redis_url, self.name, self.logs = server, redis_url, name, logs
        self.rigs: list[Rig] = []

    def rig(self, kind: str, prefix: str, rights: list[Right], password: str = PASSWORD) -> Rig:
        user = f"{self.name}-{kind}"
        self.server.add_user(user)
        self.server.grant(user, *rights)
        settings = options(self.server, topic_prefix=prefix)
        rig = Rig(url(self.server, user, password), settings, self.redis_url, self.name, self.logs)
        self.rigs.append(rig)
        return rig


@pytest.fixture
def users(secure: SecureKafka, redis_server: str, name: str, tmp_path: Path) -> Iterator[Users]:
    users = Users(secure, redis_server, name, tmp_path)
    yield users
    for rig in users.rigs:
        rig.close()


def test_worker_client_and_operator_get_along_with_the_rights_in_the_docs(users: Users) -> None:
    prefix, group = f"{users.name}.", users.name
    trim = [*TRIM_RIGHTS, (ResourceType.TOPIC, prefix, AclOperation.DELETE)]
    worker = users.rig("worker", prefix, [*worker_rights(prefix, group), *trim])
    client = users.rig("client", prefix, client_rights(prefix, group))
    operator = users.rig("operator", prefix, operator_rights(prefix, group))
    process = worker.start("w1", "-l", "DEBUG")
    worker.wait_for(lambda: f" {prefix}{users.name}: got 8" in worker.log("w1"))
    client.trace.clone((1,)).apply_async()
    assert set(worker.wait_ended(1)) == {1}
    worker.wait_for(lambda: operator.app.control.inspect(timeout=2).ping() == {"w1@test": {"ok": "pong"}})
    with operator.app.connection_for_read() as connection:
        worker.wait_for(lambda: connection.default_channel.queue_declare(users.name, passive=True).message_count == 0)
    worker.stop(process)
    assert [line for line in users.server.denials() if users.name in line] == []
    assert "can't be deleted" not in worker.log("w1")
    assert PASSWORD not in worker.log("w1")
    assert quote(PASSWORD, safe="") not in worker.log("w1")

    with pytest.raises(AccessDenied, match=rf"make topic '{prefix}new'.*Grant Create on it, or make the topic"):
        client.app.signature("trace", (2,)).apply_async(queue="new")


def test_a_worker_that_is_refused_says_why_and_stops(users: Users) -> None:
    """What no waiting mends: a supervisor or a person has to see it, not a silent process."""
    whole = {
        kind: worker_rights(f"{users.name}-{kind}.", users.name) for kind in ("group", "delay", "create", "password")
    }
    lacking = {
        "group": users.rig("group", f"{users.name}-group.", whole["group"][:-1]),
        "delay": users.rig("delay", f"a-{users.name}.", worker_rights(f"a-{users.name}.", users.name)[1:]),
        "create": users.rig("create", f"{users.name}-create.", [*whole["create"][:-2], whole["create"][-1]]),
        "password": users.rig("password", f"{users.name}-password.", whole["password"], "not-the-password"),
    }
    workers = {kind: rig.start(kind) for kind, rig in lacking.items()}
    for worker in workers.values():
        assert worker.wait(60) != 0
    logs = {kind: rig.log(kind) for kind, rig in lacking.items()}
    assert re.search(rf"consume '{users.name}-group\.\S+'.*Grant Read on topic .* and on group", logs["group"])
    assert re.search(rf"move delayed tasks.*Grant Read on .* and on group 'a-{users.name}.celery", logs["delay"])
    assert re.search(rf"make topic '{users.name}-create\.\S+'.*Grant Create on it, or make the topic", logs["create"])
    assert "the broker refuses the user name, the password or the token" in logs["password"]
    assert "not-the-password" not in logs["password"]
