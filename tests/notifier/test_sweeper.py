"""What got stuck is published again, by one sweeper, and not for ever."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from notifier import requests, sweeper
from notifier.models import RateRequest
from notifier.tasks import sweep


def overdue(**changes: Any) -> None:
    RateRequest.objects.update(sweep_at=timezone.now() - dt.timedelta(seconds=1), **changes)


def get() -> RateRequest:
    return RateRequest.objects.get()


def test_what_was_never_published(row: RateRequest, published: Any) -> None:
    assert sweeper.sweep() == 0
    overdue()
    assert sweep.apply(throw=True).get() == 1
    assert [message["args"] for message in published()] == [["USD", str(row.pk)]]
    assert get().publishes == 1
    assert sweeper.sweep() == 0


@pytest.mark.parametrize("status", ["fetching", "notifying"])
def test_a_step_that_died(row: RateRequest, published: Any, status: str) -> None:
    overdue(status=status)
    assert sweeper.sweep() == 1
    assert len(published()) == 1


@pytest.mark.parametrize("end", ["deliver", "fail"])
def test_what_has_ended_is_left_alone(row: RateRequest, published: Any, end: str) -> None:
    requests.deliver(row.pk) if end == "deliver" else requests.fail(row.pk, "x", "y")
    assert get().sweep_at is None
    assert sweeper.sweep() == 0


def test_two_sweepers_publish_once(row: RateRequest, published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read the same due rows; the second comes to a row that the first has claimed."""
    overdue()
    rows = sweeper.due(10)
    monkeypatch.setattr(sweeper, "due", lambda batch: rows)
    assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]
    assert len(published()) == 1


def test_a_broker_that_is_away_is_asked_once(db: None, broker_away: None) -> None:
    for number in range(1, 4):
        requests.accept("USD", number)
    overdue()
    assert sweeper.sweep() == 0
    assert RateRequest.objects.filter(sweep_at__gt=timezone.now(), publishes=0).count() == 1


def test_a_batch_is_bounded(db: None, published: Any) -> None:
    for number in range(1, 6):
        requests.accept("USD", number)
    overdue()
    assert [sweeper.sweep(batch=3), sweeper.sweep(batch=3)] == [3, 2]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"publishes": 10}, "stuck"), ({"accepted_at": timezone.now() - dt.timedelta(days=1, hours=1)}, "expired")],
)
def test_it_has_an_end(row: RateRequest, published: Any, changes: dict[str, Any], code: str) -> None:
    overdue(**changes)
    assert sweeper.sweep() == 0
    assert (get().status, get().error_code) == ("failed", code)
    assert get().error
    assert published() == []


def test_beat_runs_it(db: None) -> None:
    task = PeriodicTask.objects.get(task="notifier.tasks.sweep")
    assert (task.interval.every, task.interval.period, task.expire_seconds, task.enabled) == (20, "seconds", 60, True)
