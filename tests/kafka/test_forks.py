"""What a fork does to a process that publishes and consumes: each side goes on with clients of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from kombu import Queue

from tests.kafka.conftest import Connect, receive
from tests.kafka.forking import CHILDREN

# A fork is about the client: any broker serves, and the embedded one is there at once.
pytestmark = pytest.mark.parametrize("broker", ["tansu"], indirect=True)
ALL = sorted(["before", *(f"child {number}" for number in range(CHILDREN)), "after"])


def run(broker: tuple[str, dict[str, Any]], name: str, case: str) -> None:
    url, options = broker
    command = [sys.executable, "-m", "tests.kafka.forking", url, json.dumps(options), name, case]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("case", ["publishing", "amid"])
def test_both_sides_of_a_fork_publish(
    broker: tuple[str, dict[str, Any]], connect: Connect, queue: Queue, case: str
) -> None:
    run(broker, queue.name, case)
    assert sorted(message.decode() for message in receive(connect(), queue, len(ALL))) == ALL


def test_both_sides_of_a_fork_send_tasks(broker: tuple[str, dict[str, Any]], connect: Connect, name: str) -> None:
    run(broker, name, "tasks")
    messages = receive(connect(), Queue(name), len(ALL))
    assert sorted(message.headers["task"] for message in messages) == ALL


def test_a_child_that_ends_leaves_its_parents_membership_alone(broker: tuple[str, dict[str, Any]], name: str) -> None:
    run(broker, name, "consuming")
