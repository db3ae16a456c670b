"""What can't work is refused by Celery's command line at once: in one line, with an exit code, without a try."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import pytest


def celery(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`celery …` with these transport options, where no broker is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    environment |= {"TEST_BROKER": "kafka://127.0.0.1:1", "TEST_OPTIONS": json.dumps(options)}
    command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "tests.kafka.app", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_pool_that_librdkafka_would_block(pool: str) -> None:
    if importlib.util.find_spec(pool) is None and not os.environ.get("REQUIRE_ALL"):
        pytest.skip(f"{pool} is not installed: pip install -r requirements-dev.txt")
    ended = celery("worker", "--pool", pool)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"Error: kafka:// can't work under {pool}: librdkafka would block its loop. "
        "Use the prefork, threads or solo pool."
    )
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["worker", "inspect ping"])
def test_an_option_that_does_not_exist(command: str) -> None:
    ended = celery(*command.split(), partition=8)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: unknown transport option 'partition'")
