"""Against a real PostgreSQL: one that hangs is not waited for without end, and its clock is everybody's."""

import datetime as dt
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from project import agreed_time
from project.postgres.base import DatabaseWrapper
from tests.postgres import USER, Postgres

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.send(signal.SIGCONT)
    server.stop()


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> Iterator[DatabaseWrapper]:
    options = {"answer_timeout": getattr(request, "param", 0)}
    settings: dict[str, Any] = {"HOST": server.host, "PORT": server.port, "NAME": USER, "USER": USER, "PASSWORD": ""}
    settings |= {"OPTIONS": options, "TIME_ZONE": None, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": False}
    database = DatabaseWrapper({**settings, "AUTOCOMMIT": True, "ATOMIC_REQUESTS": False}, "another")
    database.inc_thread_sharing()
    yield database
    database.close()


def answer(database: DatabaseWrapper) -> Any:
    with database.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()


@pytest.mark.django_db
@pytest.mark.parametrize("database", [0.3], indirect=True)
def test_a_server_that_hangs_is_left_alone(server: Postgres, database: DatabaseWrapper) -> None:
    assert answer(database) == (1,)
    server.send(signal.SIGSTOP)
    with pytest.raises(OperationalError, match=r"no answer within 0\.3 s"):
        answer(database)
    server.send(signal.SIGCONT)
    assert not database.is_usable()  # the answer that comes now would be taken for the next one's
    database.close_if_unusable_or_obsolete()
    assert answer(database) == (1,)


@pytest.mark.django_db
@pytest.mark.parametrize("database", [0.3], indirect=True)
def test_waiting_for_notifications_has_an_end_of_its_own(database: DatabaseWrapper) -> None:
    database.ensure_connection()
    assert list(database.connection.notifies(timeout=0.01)) == []
    assert answer(database) == (1,)


@pytest.mark.django_db
def test_a_clock_that_is_set_changes_nothing(database: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreed_time, "connection", database)
    monkeypatch.setattr(agreed_time, "_told", None)
    right = dt.datetime.now(dt.UTC)
    for hours in (0, 2, -2):
        with time_machine.travel(right + dt.timedelta(hours=hours)):
            assert abs(agreed_time.now() - right) < dt.timedelta(minutes=1)
