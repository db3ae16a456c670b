"""Against a real PostgreSQL: one that hangs is not waited for without end, its clock is everybody's, TLS is TLS."""

import datetime as dt
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import environ
import pytest
import time_machine
from django.db import OperationalError

from project import agreed_time
from project.postgres.base import DatabaseWrapper
from tests.kafka.secure import make_certificates
from tests.postgres import Postgres

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def server(certificates: Path) -> Iterator[Postgres]:
    server = Postgres(tls=certificates)
    yield server
    server.send(signal.SIGCONT)
    server.stop()


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> Iterator[DatabaseWrapper]:
    database = connection_to(server.url, **getattr(request, "param", {}))
    yield database
    database.close()


def connection_to(url: str, **options: Any) -> DatabaseWrapper:
    """As DATABASE_URL says it."""
    settings: dict[str, Any] = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": False, "AUTOCOMMIT": True, "TIME_ZONE": None}
    settings |= {"OPTIONS": {}, "ATOMIC_REQUESTS": False, **environ.Env.db_url_config(url)}
    settings["OPTIONS"] |= options
    return DatabaseWrapper(settings, "another")


def answer(database: DatabaseWrapper) -> Any:
    with database.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()


@pytest.mark.django_db
@pytest.mark.parametrize("database", [{"answer_timeout": 0.3}], indirect=True)
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
@pytest.mark.parametrize("database", [{"answer_timeout": 0.3}], indirect=True)
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


@pytest.mark.django_db
def test_a_question_that_took_long_makes_nobody_fast_nor_slow_for_long(
    database: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is due later than another process thinks it is would wait."""
    counted = itertools.count(1000.0, 3.0)  # each look at the clock is three seconds after the one before
    monkeypatch.setattr(agreed_time, "connection", database)
    monkeypatch.setattr(agreed_time, "_told", None)
    monkeypatch.setattr(agreed_time, "_counted", lambda: next(counted))
    first, before = agreed_time._ask(), dt.datetime.now(dt.UTC)
    assert first.at == 1001.5
    assert abs(first.said - before) < dt.timedelta(seconds=1)
    assert first.until == 1003.0 + agreed_time.ASKED_SOON


@pytest.mark.django_db
def test_it_is_reached_by_tls_and_by_the_right_authority_alone(server: Postgres, certificates: Path) -> None:
    right, wrong = (
        connection_to(f"{server.url}?sslmode=verify-full&sslrootcert={certificates / name}")
        for name in ("ca.pem", "client.pem")
    )
    with right.cursor() as cursor:
        cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert cursor.fetchone() == (True,)
    right.close()
    with pytest.raises(OperationalError, match="certificate verify failed"):
        wrong.ensure_connection()
