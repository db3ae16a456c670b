"""The CBR's stand-in and the Redis that the API is asked with, and the transaction of a test that it stays in."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from tests.rates.conftest import cbr, empty_redis

__all__ = ["cbr", "empty_redis", "one_transaction"]


@pytest.fixture
def one_transaction(db: None) -> Iterator[None]:
    """Requests over WSGI would end the test's transaction, as they end a broken one; django.test's client does this."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)
