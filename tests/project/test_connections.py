"""A worker's database connection: kept from task to task, closed where it is broken."""

from unittest.mock import Mock

import pytest
from django.db import connection

from project.celery import app
from project.connections import TASKS, close_if_broken

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_celery_leaves_it_open() -> None:
    assert app.conf.get("CELERY_DB_REUSE_MAX") == TASKS


def test_a_good_one_is_kept() -> None:
    connection.ensure_connection()
    kept = connection.connection
    close_if_broken()
    assert connection.connection is kept


def test_a_broken_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    connection.errors_occurred = True
    monkeypatch.setattr(connection, "is_usable", Mock(return_value=False))
    close_if_broken()
    assert connection.connection is None
