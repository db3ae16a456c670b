"""A Redis, and a CBR that does what it is told, for all tests of rates."""

from collections.abc import Iterator

import pytest
import redis
from pytest_django import Settings

from tests.standins.cbr import CbrStandin


@pytest.fixture
def cbr(settings: Settings) -> Iterator[CbrStandin]:
    """The stand-in for the CBR, to which the settings point."""
    with CbrStandin() as stand_in:
        settings.CBR_URL = stand_in.url
        settings.CBR_CONNECT_TIMEOUT_SECONDS = 1.0
        settings.CBR_READ_TIMEOUT_SECONDS = 5.0
        yield stand_in


@pytest.fixture
def empty_redis(redis_server: str, settings: Settings) -> Iterator[str]:
    """An empty Redis, to which the settings point; gives its URL."""
    settings.REDIS_URL = redis_server
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield redis_server


@pytest.fixture
def no_redis(settings: Settings) -> None:
    """Nobody listens on port 1."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
