"""The request log as staff sees it."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from notifier import requests
from notifier.admin import days as days_bar
from notifier.models import RateRequest
from tests.notifier.test_api_status import at

LOG = "/admin/notifier/raterequest/"


@pytest.fixture
def log(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture
def failed(row: RateRequest) -> RateRequest:
    requests.fail(row.pk, "no_rates", "Банк России недоступен, и сохранённых курсов нет.")
    return row


def shown(client: Client, **query: Any) -> set[str]:
    """The currencies of the rows that a page of the log shows."""
    answer = client.get(LOG, query)
    assert answer.status_code == 200
    return {row.currency_char_code for row in answer.context["cl"].result_list}


def test_a_row_tells_how_long_each_step_took(log: Client, row: RateRequest) -> None:
    times = {"accepted_at": at(0), "fetching_at": at(0.5), "notifying_at": at(2), "finished_at": at(2.25)}
    rate = {"found": True, "nominal": 1, "value": "75.5273", "sheet_date": dt.date(2026, 4, 25), "fresh": False}
    RateRequest.objects.update(status="delivered", fetch_attempts=2, notify_attempts=1, **times, **rate)
    page = log.get(LOG).content.decode().replace("\xa0", " ")
    for text in ("2.25 s", "0.50 s, 1.50 s, 0.25 s", "2 + 1", "75.5273 for 1, 25.04.2026, not fresh"):
        assert text in page
    detail = log.get(reverse("admin:notifier_raterequest_change", args=[row.pk])).content.decode()
    assert "2026-04-25 10:00:02.250" in detail
    assert str(row.pk)[:8] in page


def test_nothing_can_be_changed(log: Client, row: RateRequest) -> None:
    one = reverse("admin:notifier_raterequest_change", args=[row.pk])
    assert log.get(one).status_code == 200
    assert log.post(one, {"status": "delivered"}).status_code == 403
    assert log.get(f"{LOG}add/").status_code == 403
    assert log.post(reverse("admin:notifier_raterequest_delete", args=[row.pk])).status_code == 403
    assert "delete_selected" not in log.get(LOG).content.decode()


def test_filters(log: Client, failed: RateRequest) -> None:
    requests.accept("EUR", 7)
    old = requests.accept("CNY", 8)
    RateRequest.objects.filter(pk=old.pk).update(created_at=at(0))
    assert shown(log) == {"USD", "EUR", "CNY"}
    assert shown(log, status__exact="failed") == {"USD"}
    assert shown(log, currency_char_code="EUR") == {"EUR"}
    assert shown(log, error_code="no_rates") == {"USD"}
    assert shown(log, created_at__year=2026, created_at__month=4) == {"CNY"}


@pytest.mark.parametrize("few", [1000, 0], ids=["all rows are read", "by the index"])
def test_years_months_and_days_of_the_log(
    log: Client, row: RateRequest, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(days_bar, "FEW", few)
    times = ("2024-02-29T23:59:59", "2024-12-31T23:59:59", "2025-01-01T00:00:00", "2025-01-31T12", "2025-01-31T13")
    for number, time in enumerate(times):
        one = requests.accept("EUR", number + 1)
        RateRequest.objects.filter(pk=one.pk).update(created_at=dt.datetime.fromisoformat(f"{time}+00:00"))
    row.delete()

    def bar(**query: Any) -> list[str]:
        links = re.search(r'<nav class="toplinks">(.*?)</nav>', log.get(LOG, query).content.decode(), re.DOTALL)
        assert links
        return re.findall(r'<a href="[^"]*">([^<]*)</a>', links[1])

    year, month = {"created_at__year": 2025}, {"created_at__year": 2025, "created_at__month": 1}
    assert bar() == ["2024", "2025"]
    assert bar(created_at__year=2024) == ["February 2024", "December 2024"]
    assert bar(**year) == ["January 2025"]
    assert bar(**month) == ["January 1", "January 31"]
    days = log.get(LOG, {**month, "created_at__day": 31}).context["cl"].result_list
    assert len(days) == 2
    RateRequest.objects.filter(created_at__year=2024).update(currency_char_code="USD")
    assert bar(currency_char_code="USD") == ["February 2024", "December 2024"]
    assert bar(currency_char_code="CNY") == []


def test_search(log: Client, failed: RateRequest) -> None:
    requests.accept("EUR", -1007)
    assert shown(log, q="eur") == {"EUR"}
    assert shown(log, q="-1007") == {"EUR"}
    assert shown(log, q=str(failed.pk)) == {"USD"}
    assert shown(log, q=str(failed.pk)[:8]) == {"USD"}
    assert shown(log, q="eur 42") == set()
    for nonsense in ("zzzz", "9" * 40, "--", "٤٢", "EURO", "x" * 5000):
        assert shown(log, q=nonsense) == set()


def test_a_failed_request_is_sent_again(
    log: Client, failed: RateRequest, published: Any, django_capture_on_commit_callbacks: Any
) -> None:
    other = requests.accept("EUR", 7)
    with django_capture_on_commit_callbacks(execute=True):
        answer = log.post(LOG, {"action": "send_again", "_selected_action": [failed.pk, other.pk]}, follow=True)
    said = [str(message) for message in answer.context["messages"]]
    assert said == ["1 sent again.", "1 not sent again: only failed requests are."]
    assert [message["args"] for message in published()] == [["EUR", str(other.pk)], ["USD", str(failed.pk)]]
    row = RateRequest.objects.get(pk=failed.pk)
    assert (row.status, row.error_code, row.finished_at, row.publishes) == ("accepted", "", None, 1)
    assert row.accepted_at > row.created_at
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message, entry.user.username) == (str(failed.pk), "Sent again.", "admin")


def test_who_may_only_look_can_not_send_again(client: Client, failed: RateRequest, published: Any) -> None:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_raterequest"))
    client.force_login(user)
    assert shown(client) == {"USD"}
    client.post(LOG, {"action": "send_again", "_selected_action": [failed.pk]})
    assert RateRequest.objects.get().status == "failed"
    assert published() == []


def test_a_page_costs_few_queries(log: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(1, 60):
        requests.accept("USD", number)
    with django_assert_max_num_queries(12):
        log.get(LOG)
