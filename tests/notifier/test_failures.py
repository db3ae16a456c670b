"""How the row follows the fetch task, and how it ends when a task has failed."""

import datetime as dt
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celery.app.task import Context
from celery.exceptions import Reject, Retry
from django.db import InterfaceError
from django.db import OperationalError as DatabaseAway
from django.utils import timezone
from kombu.exceptions import OperationalError

from notifier import failures, progress, requests
from notifier.models import RateRequest
from rates import quotes, tasks
from rates.quotes import NoRates, Quote


def get() -> RateRequest:
    return RateRequest.objects.get()


def give_up(row: RateRequest, error: BaseException, task: str = "rates.tasks.fetch_rate") -> RateRequest:
    failures.give_up(task, error, str(row.pk))
    return get()


def test_the_row_says_that_the_rate_is_fetched(row: RateRequest, usd: Quote, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RateRequest] = []

    def newest_quote(char_code: str) -> Quote:
        seen.append(get())
        return usd

    monkeypatch.setattr(tasks, "newest_quote", newest_quote)
    result = tasks.fetch_rate.apply(args=("USD", str(row.pk)), throw=True).get()
    assert result["found"]
    assert [(one.status, one.fetch_attempts) for one in seen] == [("fetching", 1)]
    assert seen[0].fetching_at is not None


def test_every_try_is_counted_and_its_error_kept(row: RateRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def newest_quote(char_code: str) -> Quote:
        raise NoRates("the CBR answers 403")

    monkeypatch.setattr(tasks, "newest_quote", newest_quote)
    with pytest.raises(NoRates):
        tasks.fetch_rate.apply(args=("USD", str(row.pk))).get()
    seen = get()
    assert (seen.status, seen.fetch_attempts, seen.error_code) == ("fetching", 6, "no_rates")
    assert seen.error.endswith("(the CBR answers 403)")


@pytest.mark.parametrize("reference", ["", "prewarm", None, 42])
def test_a_fetch_for_someone_else(db: None, usd: Quote, monkeypatch: pytest.MonkeyPatch, reference: Any) -> None:
    monkeypatch.setattr(tasks, "newest_quote", lambda char_code: usd)
    assert progress.id_of(reference) is None
    assert tasks.fetch_rate.apply(args=("USD", reference), throw=True).get()["found"]


def test_a_retry_is_waited_for(row: RateRequest) -> None:
    context = Context(args=("USD", str(row.pk)), kwargs={})

    for when in (3000, timezone.now() + dt.timedelta(seconds=3000)):
        progress.on_retry(sender=tasks.fetch_rate, request=context, reason=Retry(exc=NoRates("x"), when=when))
        sweep_at = get().sweep_at
        assert sweep_at is not None
        wait = (sweep_at - timezone.now() - requests.QUEUED).total_seconds()
        assert 2990 < wait <= 3000


@pytest.mark.parametrize(
    ("error", "task", "code", "words"),
    [
        (quotes.NoRates("403"), "rates.tasks.fetch_rate", "no_rates", "сохранённых курсов нет.\n(403)"),
        (TimeLimitExceeded(40), "rates.tasks.fetch_rate", "time_limit", "Задача не уложилась"),
        (SoftTimeLimitExceeded(), "rates.tasks.fetch_rate", "time_limit", "Задача не уложилась"),
        (TimeLimitExceeded(40), "notifier.tasks.notify", "time_limit", "Дошло ли сообщение, неизвестно"),
        (KeyError("x"), "rates.tasks.fetch_rate", "task_error", "(KeyError: 'x')"),
    ],
)
def test_what_ends_a_request(row: RateRequest, error: BaseException, task: str, code: str, words: str) -> None:
    seen = give_up(row, error, task)
    assert (seen.status, seen.error_code) == ("failed", code)
    assert words in seen.error


@pytest.mark.parametrize("error", [OperationalError("no broker"), Reject(OperationalError("no broker"))])
def test_a_failed_publish_is_left_to_the_relay(row: RateRequest, error: BaseException) -> None:
    requests.start_fetching(row.pk)
    seen = give_up(row, error)
    assert (seen.status, seen.error_code) == ("fetching", "broker")
    assert seen.sweep_at is not None
    assert seen.sweep_at <= timezone.now()


@pytest.mark.parametrize("error", [DatabaseAway("server closed the connection"), InterfaceError("closed")])
def test_a_database_that_was_away_for_long_fails_nothing(row: RateRequest, error: BaseException) -> None:
    requests.start_fetching(row.pk)
    seen = give_up(row, error)
    assert (seen.status, seen.error_code) == ("fetching", "database")
    assert "База данных" in seen.error
    assert seen.sweep_at is not None
    assert seen.sweep_at <= timezone.now()


def test_a_delivered_request_does_not_fail(row: RateRequest) -> None:
    requests.deliver(row.pk)
    assert give_up(row, TimeLimitExceeded(40)).status == "delivered"
