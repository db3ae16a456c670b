"""What every test may use."""

from collections.abc import Iterator

import pytest

from tests.servers import start_redis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis of this test run."""
    server = start_redis()
    yield f"redis://{server.address}/0"
    server.stop()
