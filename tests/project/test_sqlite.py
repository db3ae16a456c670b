"""A database in a file with several writers: each waits for its turn, within bounds, and not in vain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from project.settings import DATABASES
from project.sqlite import base
from project.sqlite.base import DatabaseWrapper

pytestmark = pytest.mark.django_db
INSERT = "INSERT INTO figure VALUES (%s)"


def connection_to(path: Path, **options: Any) -> DatabaseWrapper:
    settings: dict[str, Any] = {"NAME": path, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": False, "AUTOCOMMIT": True}
    wal = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    settings |= {"TIME_ZONE": None, "OPTIONS": {**wal, **options}, "ATOMIC_REQUESTS": False}
    return DatabaseWrapper(settings, "another")


def run(database: DatabaseWrapper, statement: str, *values: Any) -> list[Any]:
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.sqlite3"


@pytest.fixture
def writer(path: Path) -> Iterator[DatabaseWrapper]:
    """It has the lock, and has written 1."""
    writer = connection_to(path)
    run(writer, "CREATE TABLE figure (value INTEGER)")
    run(writer, "BEGIN IMMEDIATE")
    run(writer, INSERT, 1)
    yield writer
    writer.close()


@pytest.fixture
def pauses(writer: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is slept; the writer ends its transaction in the third pause."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            run(writer, "COMMIT")

    monkeypatch.setattr(base.time, "sleep", sleep)
    return pauses


@pytest.mark.parametrize("statements", [[INSERT], ["BEGIN IMMEDIATE", INSERT, "COMMIT"]], ids=["alone", "transaction"])
def test_it_is_tried_again_within_milliseconds(path: Path, pauses: list[float], statements: list[str]) -> None:
    other = connection_to(path)
    for statement in statements:
        run(other, statement, *[2] * statement.count("%s"))
    assert run(other, "SELECT value FROM figure ORDER BY value") == [(1,), (2,)]
    assert len(pauses) == 3
    assert max(pauses) < 0.002
    other.close()


def test_many_rows_are_written_once_each(path: Path, pauses: list[float]) -> None:
    other = connection_to(path)
    with other.cursor() as cursor:
        cursor.executemany(INSERT, [(2,), (3,)])
    assert run(other, "SELECT value FROM figure ORDER BY value") == [(1,), (2,), (3,)]
    other.close()


def test_the_wait_has_a_bound(path: Path, writer: DatabaseWrapper) -> None:
    other = connection_to(path, timeout=0.05)
    with pytest.raises(OperationalError, match="database is locked"):
        run(other, INSERT, 2)
    other.close()


def test_a_long_wait_is_not_spent_on_looking(path: Path, writer: DatabaseWrapper, monkeypatch: Any) -> None:
    now, looks = 0.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now, looks
        now, looks = now + seconds, looks + 1

    monkeypatch.setattr(base.time, "monotonic", lambda: now)
    monkeypatch.setattr(base.time, "sleep", sleep)
    other = connection_to(path, timeout=20)
    with pytest.raises(OperationalError, match="database is locked"):
        run(other, INSERT, 2)
    assert looks < 2500
    other.close()


def test_who_writes_by_what_is_no_longer_true_is_told_at_once(
    path: Path, writer: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base.time, "sleep", lambda seconds: pytest.fail("no wait helps"))
    run(writer, INSERT, 1)
    run(writer, "COMMIT")
    other = connection_to(path)
    with other.cursor() as unfinished:
        unfinished.execute("SELECT value FROM figure")
        unfinished.fetchone()
        run(writer, INSERT, 2)
        with pytest.raises(OperationalError, match="database is locked"):
            run(other, INSERT, 3)
    other.close()


def test_without_a_write_ahead_log_the_wait_is_sqlites_own(path: Path) -> None:
    database = connection_to(path, init_command="PRAGMA journal_mode=DELETE", timeout=20)
    assert run(database, "PRAGMA busy_timeout") == [(20_000,)]
    database.close()


def test_the_service_uses_it() -> None:
    assert DATABASES["default"]["ENGINE"] in {"project.sqlite", "project.postgres"}
