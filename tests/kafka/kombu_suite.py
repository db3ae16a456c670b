"""kombu's integration tests against kafka://, subclassed as kombu does it for its own transports.

Not collected with our tests: test_kombu_suite.py runs this file in processes of its own, with the settings that kombu
would give it. `common` is kombu's file, see kombu_source.py.
"""

from __future__ import annotations

import os

import common  # type: ignore[import-not-found]
import kombu
import pytest

import project.kafka  # noqa: F401  (registers kafka://)

DEAD = "kafka://localhost:12345"
ALIVE = f"kafka://{os.environ.get('TEST_BROKER')}"
# A broker that has just begun, asked by seven processes at once, takes longer than usual for its first answers.
OPTIONS = {"topic_prefix": os.environ.get("TEST_PREFIX", ""), "connect_timeout": 15.0}


@pytest.fixture
def connection() -> kombu.Connection:
    return kombu.Connection(ALIVE, transport_options=dict(OPTIONS))


@pytest.fixture
def invalid_connection() -> kombu.Connection:
    return kombu.Connection(DEAD)


@pytest.fixture
def failover_connection() -> kombu.Connection:
    return kombu.Connection(f"{DEAD};{ALIVE}", connect_timeout=10, transport_options=dict(OPTIONS))


class TestBasicFunctionality(common.BasicFunctionality):
    pass


class TestExchangeTypes(common.BaseExchangeTypes):
    pass


class TestTimeToLive(common.BaseTimeToLive):
    pass


class TestPriority(common.BasePriority):
    PRIORITY_ORDER = "asc"  # AMQP's: the higher number goes first


class TestMessage(common.BaseMessage):
    pass


class TestFailover(common.BaseFailover):
    pass


class TestEventLoop(common.BaseEventLoop):
    pass
