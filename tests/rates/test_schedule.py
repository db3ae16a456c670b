"""The schedule of questions to the CBR, as beat reads it from the database."""

import datetime
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from celery import current_app
from django.test import Client
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

pytestmark = pytest.mark.django_db
MOSCOW = ZoneInfo("Europe/Moscow")
FRIDAY, SATURDAY = datetime.date(2026, 4, 24), datetime.date(2026, 4, 25)


def entries() -> list[ModelEntry]:
    tasks = PeriodicTask.objects.filter(task="rates.tasks.prewarm")
    return [ModelEntry(task, app=current_app) for task in tasks]


def runs(day: datetime.date, first: str, last: str) -> int:
    """How many runs fall between two times of a day in Moscow, the first included."""
    start = datetime.datetime.combine(day, datetime.time.fromisoformat(first), MOSCOW)
    end = datetime.datetime.combine(day, datetime.time.fromisoformat(last), MOSCOW)
    count = 0
    for entry in entries():
        moment = start - datetime.timedelta(seconds=1)
        while True:
            with time_machine.travel(moment, tick=False):
                moment += entry.schedule.remaining_estimate(moment)
            if moment >= end:
                break
            count += 1
    return count


def test_it_is_dense_while_the_next_sheet_is_due() -> None:
    assert runs(FRIDAY, "15:30", "19:00") == 6 + 3 * 12 + 3
    assert runs(FRIDAY, "09:00", "15:30") == 7
    assert runs(FRIDAY, "19:00", "23:00") == 4
    assert runs(SATURDAY, "15:30", "19:00") == 3


@pytest.fixture
def last_run_days_ago() -> Iterator[None]:
    tasks = PeriodicTask.objects.filter(task="rates.tasks.prewarm")
    tasks.update(last_run_at=datetime.datetime(2026, 4, 20, tzinfo=datetime.UTC))
    yield


@pytest.mark.parametrize(("time", "most"), [("03:00", 0), ("17:03", 1), ("17:08", 2)])
def test_a_restart_after_days_fires_no_burst(last_run_days_ago: None, time: str, most: int) -> None:
    now = datetime.datetime.combine(FRIDAY, datetime.time.fromisoformat(time), MOSCOW)
    with time_machine.travel(now, tick=False):
        assert sum(entry.is_due().is_due for entry in entries()) == most


def test_beat_loads_the_entries_and_sees_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    # The test's transaction lives on the connection that beat would close.
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)
    # A clock later than any time that the migrations have left in the database.
    with time_machine.travel(datetime.datetime(2099, 4, 24, 13, 0, tzinfo=datetime.UTC)) as clock:
        scheduler = DatabaseScheduler(app=current_app, lazy=True)
        assert len([name for name in scheduler.schedule if name.startswith("Rates,")]) == 3
        # Beat looks at least this often, in seconds, whether something was changed.
        assert scheduler.max_interval <= 60
        assert len(scheduler.schedule) >= 3
        clock.shift(1)
        task = PeriodicTask.objects.get(name="Rates, every hour")
        task.enabled = False
        task.save()
        clock.shift(1)
        assert "Rates, every hour" not in scheduler.schedule


def test_run_now_in_the_admin_sends_the_task(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    prewarm = current_app.tasks["rates.tasks.prewarm"]
    monkeypatch.setattr(prewarm, "apply_async", lambda **options: sent.append(options))
    pk = PeriodicTask.objects.get(name="Rates, every hour").pk
    response = admin_client.post(
        "/admin/django_celery_beat/periodictask/",
        {"action": "run_tasks", "_selected_action": [pk]},
        follow=True,
    )
    assert "1 task was successfully run" in response.content.decode()
    assert [options["args"] for options in sent] == [[]]
