"""Settings are typed and checked before anything is connected; the import has no side effects."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
from kombu import Connection

import project.kafka
from project.kafka.options import Address, Options
from project.kafka.topics import shared_topics


def test_defaults_promise_at_least_once() -> None:
    options = Options.read({})
    assert options.consumer_config("q")["enable.auto.commit"] is False
    assert options.consumer_config("q")["group.id"] == "celery.q"
    assert options.producer_config()["acks"] == "all"
    assert options.producer_config()["enable.idempotence"] is True


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"partitons": 3}, "unknown transport option 'partitons'"),
        ({"partitions": "3"}, "partitions must be int, not '3'"),
        ({"partitions": 0}, "partitions must be positive"),
        ({"partitions": True}, "partitions must be int"),
        ({"session_timeout": -1}, "session_timeout must be positive"),
        ({"enable.auto.commit": True}, "enable.auto.commit can't be set"),
        ({"acks": 1}, "acks can't be set"),
        ({"message.timeout.ms": 1000}, "use the option publish_timeout"),
        ({"session.timeout.ms": 60_000}, "use the option session_timeout"),
        ({"group.id": "mine"}, "use the option group_id"),
        ({"bootstrap.servers": "x"}, "broker URL"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(project.kafka.ConfigurationError, match=complaint):
        Options.read(given)


def test_the_manual_tells_every_option_with_its_default() -> None:
    told = dict(re.findall(r"^``(\w+)`` \((.+)\)$", project.kafka.__doc__ or "", re.MULTILINE))
    own = {field.name: field.default for field in fields(Options) if field.name != "librdkafka"}
    assert {name: ast.literal_eval(default.strip("`")) for name, default in told.items()} == own


def test_every_librdkafka_setting_reaches_the_client_it_is_for() -> None:
    options = Options.read({"fetch.wait.max.ms": 10, "linger.ms": 2, "ssl.ca.location": "/ca.pem"})
    assert options.consumer_config("q")["fetch.wait.max.ms"] == 10
    assert "fetch.wait.max.ms" not in options.producer_config()
    assert options.producer_config()["linger.ms"] == 2
    assert "linger.ms" not in options.client_config("h:1", {})
    assert options.client_config("h:1", {})["ssl.ca.location"] == "/ca.pem"


def test_the_newer_group_protocol_leaves_out_what_is_the_brokers() -> None:
    config = Options.read({"protocol": "consumer"}).consumer_config("q")
    assert config["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & set(config)


def test_a_setting_that_librdkafka_refuses_is_a_configuration_error() -> None:
    with (
        Connection("kafka://127.0.0.1:1", transport_options={"no.such.setting": 1}) as connection,
        pytest.raises(project.kafka.ConfigurationError, match=r"no\.such\.setting"),
    ):
        shared_topics(connection.transport.options.client_config("127.0.0.1:1", {}), connection.transport.options)


def address(url: str, **kwargs: Any) -> Address:
    return Address.from_client(Connection(url, **kwargs))


def test_all_alternates_become_bootstrap_servers() -> None:
    assert address("kafka://a:1;kafka://b;kafka://c:3").hosts == "a:1,b:9092,c:3"
    assert address("kafka://only").hosts == "only:9092"
    assert address("kafka://").hosts == "localhost:9092"
    assert address("kafka://[::1]:7").hosts == "[::1]:7"
    assert address("kafka://a:1;b:2").hosts == "a:1,b:2"


def test_user_and_password_mean_sasl() -> None:
    for url in ("kafka://us%40er:100%2525@a:1", "kafka://us%40er:100%2525@a:1;kafka://b:2"):
        credentials = address(url).credentials
        assert credentials["sasl.username"] == "us@er"
        assert credentials["sasl.password"] == "100%25"
        assert "100%" not in repr(address(url))
    assert credentials["security.protocol"] == "SASL_PLAINTEXT"
    assert address("kafka://u:p@a:1", ssl=True).credentials["security.protocol"] == "SASL_SSL"
    assert address("kafka://a:1").credentials == {}


def test_the_import_is_free_of_django_and_of_side_effects() -> None:
    code = (
        "import os, sys; before = dict(os.environ); import project.kafka; "
        "assert dict(os.environ) == before, 'environment'; "
        "assert not [m for m in sys.modules if m.split('.')[0] == 'django'], 'django'; "
        "from kombu.transport import get_transport_cls; "
        "assert get_transport_cls('kafka') is project.kafka.Transport"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_broker_use_ssl_names_files_as_for_other_brokers() -> None:
    files = {"ca_certs": "/ca.pem", "ssl_certfile": "/me.pem", "cert_reqs": "CERT_NONE"}
    assert address("kafka://u:p@a:1", ssl=files).credentials == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "p",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "enable.ssl.certificate.verification": False,
    }
    with pytest.raises(project.kafka.ConfigurationError, match="unknown key 'ca' in broker_use_ssl"):
        address("kafka://a:1", ssl={"ca": "/ca.pem"})


def test_passwords_among_the_options_are_not_shown() -> None:
    options = Options.read({"sasl.password": "pass-word", "ssl.key.password": "pass-word"})
    assert "pass-word" not in repr(options)
    assert options.key != Options.read({"sasl.password": "another"}).key
