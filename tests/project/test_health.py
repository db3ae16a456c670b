"""What probes ask: /healthz and /readyz of web, and `bin/start health` for the parts that have no address."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from project import services

ROOT = Path(__file__).resolve().parents[2]
# Nothing listens there.
NOBODY = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_is_known_yet(settings: Any) -> Iterator[None]:
    services._migrated = False
    settings.KAFKA_BOOTSTRAP_SERVERS = [NOBODY]
    settings.REDIS_URL = f"redis://{NOBODY}/0"
    yield
    services._migrated = False


def test_a_live_process_says_so_to_a_stranger_by_any_name() -> None:
    answer = Client(headers={"host": "10.1.2.3"}).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_web_is_ready_without_kafka_and_redis_but_tells() -> None:
    for _ in range(2):
        answer = Client(headers={"host": "10.1.2.3"}).get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "database": "ok", "kafka": "away", "redis": "away"}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_web_says_that_redis_is_there(settings: Any, redis_server: str) -> None:
    settings.REDIS_URL = redis_server
    assert Client().get("/readyz").json()["redis"] == "ok"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("known", [False, True], ids=["at first", "later"])
def test_web_is_not_ready_without_its_database(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    services._migrated = known

    def away(*args: object) -> None:
        raise OperationalError("connection refused: 10.0.0.5")

    monkeypatch.setattr(services.connection, "cursor", away)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["database"] == "away"
    assert "10.0.0.5" not in answer.content.decode()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_web_is_not_ready_before_the_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.MigrationExecutor, "migration_plan", lambda *_: ["one"])
    assert Client().get("/readyz").status_code == 503


def health(part: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **settings}
    return subprocess.run([ROOT / "bin" / "start", "health", part], env=env, capture_output=True, text=True, timeout=30)


def test_a_part_is_healthy_while_its_loop_turns(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    assert health("worker", READY_FILE=str(file)).returncode == 1
    file.touch()
    assert health("worker", READY_FILE=str(file)).returncode == 0
    old = time.time() - 61
    os.utime(file, (old, old))
    told = health("beat", READY_FILE=str(file))
    assert told.returncode == 1
    assert told.stderr.startswith("the beat was at work 6")
    assert health("bot", READY_FILE=str(file), HEALTH_MAX_AGE_SECONDS="90").returncode == 0


def test_health_without_a_file_to_look_at_is_refused() -> None:
    told = health("worker")
    assert told.returncode
    assert "wants the READY_FILE" in told.stderr
