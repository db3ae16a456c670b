"""Old requests are deleted: only those that have ended, only after their time, a batch at a time."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from notifier import requests, tasks
from notifier.checks import check_kept_days
from notifier.models import Message, RateRequest
from notifier.purge import purge

pytestmark = pytest.mark.django_db


def make(status: str, created: float, ended: float | None) -> RateRequest:
    """A request that was created and ended so many days ago."""
    now = timezone.now()
    row = requests.accept("USD", 42)
    finished = None if ended is None else now - dt.timedelta(days=ended)
    RateRequest.objects.filter(pk=row.pk).update(
        status=status, created_at=now - dt.timedelta(days=created), finished_at=finished
    )
    return row


def test_what_ended_long_ago_goes_and_all_else_stays() -> None:
    make("delivered", 91, 91)
    make("failed", 100, 95)
    make("cancelled", 91, 91)
    kept = [make("delivered", 91, 89), make("failed", 1, 1), make("accepted", 400, None), make("notifying", 91, None)]
    assert purge() == 3
    assert set(RateRequest.objects.values_list("pk", flat=True)) == {row.pk for row in kept}
    assert purge() == 0


def test_so_do_messages_that_the_bot_sent_by_itself() -> None:
    old, now = timezone.now() - dt.timedelta(days=91), timezone.now()
    for key, status, finished in (
        ("1", "sent", old),
        ("2", "failed", old),
        ("3", "sent", now),
        ("4", "waiting", None),
        ("5", "sending", None),
    ):
        Message.objects.create(
            kind="digest", key=key, telegram_id=1, text="…", status=status, created_at=old, finished_at=finished
        )
    assert purge() == 2
    assert set(Message.objects.values_list("key", flat=True)) == {"3", "4", "5"}


def test_many_go_in_batches() -> None:
    for _ in range(5):
        make("delivered", 91, 91)
    assert purge(batch=2) == 5
    assert not RateRequest.objects.exists()


def test_a_run_ends_when_its_time_is_over() -> None:
    make("delivered", 91, 91)
    assert purge(budget=0) == 0


def test_the_setting_says_how_old(settings: Any) -> None:
    make("delivered", 8, 8)
    settings.REQUESTS_KEPT_DAYS = 0
    assert tasks.purge() == 0
    settings.REQUESTS_KEPT_DAYS = 7
    assert tasks.purge() == 1


def test_a_negative_number_of_days_is_refused_at_start(settings: Any) -> None:
    assert check_kept_days() == []
    settings.REQUESTS_KEPT_DAYS = -1
    assert [error.id for error in check_kept_days()] == ["notifier.E030"]


def test_beat_runs_it() -> None:
    entry = PeriodicTask.objects.get(name="Delete old rate requests")
    assert entry.task == tasks.purge.name
    assert entry.enabled
