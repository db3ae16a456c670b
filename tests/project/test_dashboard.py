"""The admin's own pages: who sees them, what they tell, what is written down."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from notifier import requests
from notifier.models import Chat, Subscription
from project import pipeline
from project.kafka.dead import Letter

pytestmark = pytest.mark.django_db
DEAD, HANDLE = "/admin/dead-letters/", "/admin/dead-letters/handle/"


def letter(id: str) -> Letter:
    return Letter(id, "too many deliveries", "2026-04-25", 5, None, "rates.tasks.fetch_rate", "t", None, b"", [], [])


class Brokers:
    """In place of the brokers, which tests/kafka has for real."""

    def __init__(self) -> None:
        self.letters = [letter("rates:0:1"), letter("rates:0:2")]

    def take(self, ids: list[str]) -> list[str]:
        self.letters = [one for one in self.letters if one.id not in ids]
        return ids


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    fake = Brokers()
    monkeypatch.setattr(pipeline.dead_letters, "get", lambda: fake.letters)
    monkeypatch.setattr(pipeline, "drop", fake.take)
    monkeypatch.setattr(pipeline, "replay", fake.take)
    return fake


def looker(*permissions: str) -> Client:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_it_counts_chats_and_leads_to_them_and_to_the_tokens(admin_client: Client) -> None:
    Chat.objects.create(pk=1)
    gone = Chat.objects.create(pk=2, disabled=True, disabled_reason="blocked")
    Subscription.objects.create(chat=gone, at=dt.time(9), zone="Europe/Moscow", next_at=timezone.now())
    html = admin_client.get("/admin/dashboard/").content.decode()
    section = html[html.index('<section aria-labelledby="people">') :].partition("</section>")[0]
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", section) == ["2", "1", "1", "0"]
    for link in re.findall(r'href="([^"]+)"', section):
        assert admin_client.get(link).status_code == 200, link


def test_who_may_not_see_chats_sees_none_on_it() -> None:
    assert 'id="people"' not in looker("view_raterequest").get("/admin/dashboard/").content.decode()


def test_it_tells_requests_failures_and_errors(admin_client: Client) -> None:
    for telegram_id in (1, 2, 3):
        row = requests.accept("USD", telegram_id)
    requests.fail(row.pk, "blocked", "…")
    html = admin_client.get("/admin/dashboard/").content.decode()
    assert "3 requests, 1 failed, in the last 24 hours" in html
    assert "?error_code=blocked" in html
    assert html.count('<rect class="all"') == 24
    assert admin_client.get("/admin/dashboard/?hours=48").content.decode().count('<rect class="all"') == 48
    assert "/admin/dashboard/" in admin_client.get("/admin/").content.decode()


def test_only_who_may_see_the_log_sees_it(client: Client) -> None:
    assert client.get("/admin/dashboard/").status_code == 302
    stranger = looker()
    assert [stranger.get(path).status_code for path in ("/admin/dashboard/", DEAD)] == [403, 403]
    assert "/admin/dashboard/" not in stranger.get("/admin/").content.decode()


@pytest.mark.parametrize("action", ["replay", "drop"])
def test_dead_letters_are_handled_after_a_question(admin_client: Client, brokers: Brokers, action: str) -> None:
    assert "rates:0:1" in admin_client.get(DEAD).content.decode()
    question = admin_client.post(HANDLE, {"action": action, "id": ["rates:0:1"]})
    assert f"Yes, {action} them" in question.content.decode()
    assert len(brokers.letters) == 2
    admin_client.post(HANDLE, {"action": action, "id": ["rates:0:1"], "confirmed": "yes"})
    assert [one.id for one in brokers.letters] == ["rates:0:2"]
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.username) == ("rates:0:1", "admin")
    assert "rates:0:1" in admin_client.get("/admin/admin/logentry/").content.decode()


def test_who_may_only_look_can_not_handle_them(brokers: Brokers) -> None:
    client = looker("view_raterequest")
    html = client.get(DEAD).content.decode()
    assert "rates:0:1" in html
    assert "Replay chosen" not in html
    for action in ("replay", "drop", "nonsense"):
        assert client.post(HANDLE, {"action": action, "id": ["rates:0:1"], "confirmed": "yes"}).status_code == 403
    assert len(brokers.letters) == 2
    assert not LogEntry.objects.exists()


def test_brokers_that_are_away_are_told(admin_client: Client, brokers: Brokers, monkeypatch: Any) -> None:
    def away(ids: list[str]) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(pipeline, "drop", away)
    sent = {"action": "drop", "id": ["rates:0:1"], "confirmed": "yes"}
    assert "Not all was done: no broker" in admin_client.post(HANDLE, sent, follow=True).content.decode()


def test_the_audit_can_not_be_changed(admin_client: Client, admin_user: User) -> None:
    entry = LogEntry.objects.create(user=admin_user, object_repr="x", action_flag=2, change_message="y")
    assert admin_client.get(f"/admin/admin/logentry/{entry.pk}/change/").status_code == 200
    assert admin_client.post(f"/admin/admin/logentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.get("/admin/admin/logentry/add/").status_code == 403
