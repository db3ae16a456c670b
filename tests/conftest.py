"""What every test may use."""

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from project.celery import app
from tests.servers import start_redis

# A busy machine is slow now and then; tests have a timeout of their own.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")

if sys.version_info < (3, 12, 2):  # CPython gh-106905: at random a SystemError, where one call runs amid another
    _parse = ast.parse

    def parse_again(*args: Any, **kwargs: Any) -> ast.AST:
        try:
            return _parse(*args, **kwargs)
        except SystemError:
            return _parse(*args, **kwargs)

    ast.parse = parse_again  # type: ignore[assignment]

#: How much of each failure bin/test shows again when all is over, in characters.
TAIL = 2500


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    kept = os.environ.get("TEST_FAILURES")
    if report.failed and kept:
        with Path(kept).open("a") as file:
            file.write(f"FAILED {report.nodeid} ({report.when})\n…{report.longreprtext[-TAIL:]}\n")


@pytest.fixture(autouse=True)
def the_service_is_the_current_application() -> None:
    """Some tests make others; what shared tasks are sent by must not depend on the order of the tests."""
    app.set_current()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis of this test run."""
    server = start_redis()
    yield f"redis://{server.address}/0"
    server.stop()
