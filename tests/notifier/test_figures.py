"""Figures of the request log."""

import datetime as dt

import pytest
from django.utils import timezone

from notifier import figures, requests
from notifier.models import RateRequest

pytestmark = pytest.mark.django_db


def delivered(seconds: float) -> None:
    row = requests.accept("USD", 42)
    finished = row.accepted_at + dt.timedelta(seconds=seconds)
    RateRequest.objects.filter(pk=row.pk).update(status="delivered", finished_at=finished)


def test_percentiles() -> None:
    assert figures.latency() is None
    delivered(2)
    assert figures.latency() == figures.Latency(1, 2.0, 2.0, 2.0)
    for seconds in range(1, 101):
        delivered(seconds)
    found = figures.latency()
    assert found is not None
    assert (found.count, found.p50, found.p95, found.p99) == (101, 50.0, 95.0, 99.0)


def test_values_of_a_column_in_order() -> None:
    for code in ("USD", "EUR", "USD", "CNY"):
        requests.fail(requests.accept(code, 42).pk, f"error_{code}", "…")
    requests.accept("KZT", 42)
    assert figures.distinct("currency_char_code") == ["CNY", "EUR", "KZT", "USD"]
    assert figures.distinct("error_code") == ["error_CNY", "error_EUR", "error_USD"]
    assert figures.distinct("currency_char_code", most=2) == ["CNY", "EUR"]


def test_hours_and_errors_have_only_what_is_of_them() -> None:
    old = requests.accept("USD", 42)
    requests.fail(old.pk, "old", "…")
    RateRequest.objects.update(created_at=timezone.now() - dt.timedelta(hours=49))
    requests.fail(requests.accept("USD", 42).pk, "new", "…")
    hours = figures.per_hour(48)
    assert (len(hours), hours[-1].requests, hours[-1].failed) == (48, 1, 1)
    assert sum(hour.requests for hour in hours) == 1
    assert [(error.code, error.count) for error in figures.errors()] == [("new", 1)]
    assert figures.unfinished() == {"accepted": 0, "fetching": 0, "notifying": 0}
