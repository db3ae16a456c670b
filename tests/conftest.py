"""What every test may use."""

from collections.abc import Iterator

import hypothesis
import pytest

from tests.servers import start_redis

# A busy machine is slow now and then; tests have a timeout of their own.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis of this test run."""
    server = start_redis()
    yield f"redis://{server.address}/0"
    server.stop()
