"""What bin/run decides from the environment before it starts anything."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project.local.plan import EMBEDDED_OPTIONS

PLAN = """
import json
from project.local import plan
try:
    made = plan.make()
except plan.Refused as refused:
    raise SystemExit(str(refused))
from project import settings
print(json.dumps({
    "options": json.loads(made.env.get("KAFKA_TRANSPORT_OPTIONS") or "{}"),
    "given": made.given_services(),
    "redis": settings.REDIS_URL,
    "broker": settings.CELERY_BROKER_URL,
}))
"""
Decide = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(copy: Callable[[], Path]) -> Path:
    return copy()


@pytest.fixture
def decide(folder: Path) -> Decide:
    def decide(**settings: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "SECRET_KEY": "x", **settings}
        return subprocess.run(
            [sys.executable, "-c", PLAN], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    return decide


def decided(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_options_of_the_transport_come_on_top_of_those_that_the_embedded_broker_needs(decide: Decide) -> None:
    assert decided(decide())["options"] == EMBEDDED_OPTIONS
    given = '{"partitions": 3, "session_timeout": 8}'
    assert decided(decide(KAFKA_TRANSPORT_OPTIONS=given))["options"] == {
        **EMBEDDED_OPTIONS,
        "partitions": 3,
        "session_timeout": 8,
    }
    real = decided(decide(KAFKA_TRANSPORT_OPTIONS=given, KAFKA_BOOTSTRAP_SERVERS="k:9092"))
    assert real["options"] == json.loads(given)


@pytest.mark.parametrize("given", ["{", "[]", "8"])
def test_options_that_are_no_json_object_are_refused_in_a_line(decide: Decide, given: str) -> None:
    ended = decide(KAFKA_TRANSPORT_OPTIONS=given)
    assert (ended.returncode, ended.stderr) == (1, f"KAFKA_TRANSPORT_OPTIONS={given} is no JSON object\n")


def test_a_redis_is_named_by_its_url_or_by_host_and_port(decide: Decide) -> None:
    by_parts = decided(decide(REDIS_HOST="cache", REDIS_PORT="7000"))
    assert by_parts["redis"] == "redis://cache:7000/0"
    assert by_parts["given"] == {"REDIS_URL": [["cache", 7000]]}
    assert decided(decide(REDIS_HOST="cache"))["redis"] == "redis://cache:6379/0"
    by_url = decided(decide(REDIS_URL="redis://:word@there:7001/2", REDIS_HOST="cache", REDIS_PORT="7000"))
    assert by_url["redis"] == "redis://:word@there:7001/2"
    assert by_url["given"] == {"REDIS_URL": [["there", 7001]]}


def test_every_given_broker_is_one_of_the_transports(decide: Decide) -> None:
    made = decided(decide(KAFKA_BOOTSTRAP_SERVERS="a:9092,b:9093"))
    assert made["broker"] == "kafka://a:9092;kafka://b:9093"
    assert made["given"] == {"KAFKA_BOOTSTRAP_SERVERS": [["a", 9092], ["b", 9093]]}
