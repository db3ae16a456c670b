"""API tokens: made and revoked in the admin, and what they open."""

import datetime as dt
import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from project.accounts import checks
from project.accounts.models import ApiToken, digest

ADMIN = "/admin/accounts/apitoken/"
LIST = "/api/v1/rate-requests/"


def get(client: Client, secret: str) -> Any:
    return client.get(LIST, headers={"Authorization": f"Bearer {secret}", "Accept": "application/json"})


def make(admin_client: Client) -> tuple[ApiToken, str, str]:
    """By the admin's form; the page that answers."""
    answer = admin_client.post(f"{ADMIN}add/", {"name": "A shop", "may_read": "on"})
    page = answer.content.decode()
    secret, webhook_secret = re.findall(r'<code class="secret">(.+?)</code>', page)
    token = ApiToken.objects.get()
    assert token.webhook_secret == webhook_secret
    assert "no-store" in answer.headers["Cache-Control"]
    return token, secret, page


def test_a_token_is_made_shown_once_and_opens_the_list(admin_client: Client, client: Client) -> None:
    token, secret, _ = make(admin_client)
    assert (token.digest, token.scopes) == (digest(secret), ["read"])
    for page in (ADMIN, f"{ADMIN}{token.pk}/change/"):
        shown = admin_client.get(page).content.decode()
        assert token.prefix in shown
        assert secret not in shown and token.webhook_secret not in shown and token.digest not in shown
    assert LogEntry.objects.get().object_id == str(token.pk)
    assert secret not in LogEntry.objects.get().object_repr
    assert get(client, secret).status_code == 200


def test_a_revoked_token_is_refused(admin_client: Client, client: Client) -> None:
    token, secret, _ = make(admin_client)
    admin_client.post(ADMIN, {"action": "revoke", "_selected_action": [token.pk]})
    answer = get(client, secret)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Revoked." in LogEntry.objects.first().change_message  # type: ignore[union-attr]
    # A name that is changed meanwhile doesn't bring it back.
    admin_client.post(f"{ADMIN}{token.pk}/change/", {"name": "A kiosk", "may_read": "on"})
    assert ApiToken.objects.get().name == "A kiosk"
    assert get(client, secret).status_code == 401
    assert admin_client.post(f"{ADMIN}{token.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_new_webhook_secret(admin_client: Client) -> None:
    token, _, _ = make(admin_client)
    page = admin_client.post(ADMIN, {"action": "renew_webhook_secret", "_selected_action": [token.pk]})
    (secret,) = re.findall(r'<code class="secret">(.+?)</code>', page.content.decode())
    assert ApiToken.objects.get().webhook_secret == secret != token.webhook_secret


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a b", "bearer rates_x", "Bearer \xff"])
def test_what_is_no_token(client: Client, header: str) -> None:
    answer = client.get(LIST, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.django_db
def test_last_used_is_written_once_a_minute(client: Client, django_assert_num_queries: Any) -> None:
    _, secret = ApiToken.objects.issue("x")
    get(client, secret)
    first = ApiToken.objects.get().last_used_at
    assert first and timezone.now() - first < dt.timedelta(minutes=1)
    with django_assert_num_queries(2):
        get(client, secret)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - dt.timedelta(seconds=61))
    get(client, secret)
    assert ApiToken.objects.get().last_used_at > first  # type: ignore[operator]


@pytest.mark.django_db
def test_the_command(client: Client) -> None:
    out = StringIO()
    call_command("api_token", "ci", "--scopes", "read", stdout=out)
    assert ApiToken.objects.get().scopes == ["read"]
    assert get(client, out.getvalue().strip()).status_code == 200
    call_command("api_token", "ci", "--revoke", stdout=out)
    assert get(client, out.getvalue().split()[0]).status_code == 401


def test_production_refuses_anonymous_requests(settings: Any) -> None:
    assert [error.id for error in checks.check_anonymous_requests()] == ["accounts.E001"]
    settings.ALLOW_ANONYMOUS_REQUESTS = False
    assert checks.check_anonymous_requests() == []


def test_rates_that_are_none(settings: Any) -> None:
    assert checks.check_rates() == []
    settings.THROTTLE_TOKEN = "many/minute"
    assert [error.id for error in checks.check_rates()] == ["accounts.E002"]
