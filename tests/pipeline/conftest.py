"""The whole service with its stand-ins for the world outside: the Bank of Russia and the Bot API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project.local.kafka_libs import Missing
from tests.run.conftest import Run, copy  # noqa: F401  (a fixture)
from tests.servers import start_kafka
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN, TelegramStandin


@pytest.fixture(scope="module")
def cbr() -> Iterator[CbrStandin]:
    with CbrStandin() as standin:
        yield standin


@pytest.fixture(scope="module")
def bot_api() -> Iterator[TelegramStandin]:
    with TelegramStandin() as standin:
        yield standin


@pytest.fixture
def telegram(bot_api: TelegramStandin) -> TelegramStandin:
    """It has forgotten what the tests before have sent."""
    bot_api.state.messages.clear()
    bot_api.state.failures.clear()
    return bot_api


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker_settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What to set for each broker in turn."""
    if request.param == "embedded":
        yield {}
        return
    try:
        cluster = start_kafka()
    except Missing as reason:
        if os.environ.get("REQUIRE_ALL"):
            raise
        pytest.skip(f"no Apache Kafka here: {reason}")
    yield {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap}
    cluster.stop()


@pytest.fixture(scope="module")
def service(
    copy: Callable[[], Path],  # noqa: F811
    cbr: CbrStandin,
    bot_api: TelegramStandin,
    broker_settings: dict[str, str],
) -> Iterator[Run]:
    """bin/run as a user starts it, set to the stand-ins, on each broker once for all tests."""
    settings = {"CBR_URL": cbr.url, "TELEGRAM_API_URL": bot_api.url, "BOT_TOKEN": TOKEN, **broker_settings}
    run = Run(copy(), **settings)
    try:
        yield run.ready()
    finally:
        if run.process.poll() is None:
            run.end()
