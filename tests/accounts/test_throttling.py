"""How much one may ask, counted in a real Redis; and while that is away."""

import logging
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from notifier.models import RateRequest
from project.accounts import throttling
from project.accounts.models import ApiToken
from project.local import ports

pytestmark = pytest.mark.django_db
POST = "/api/v1/rate-requests/"
REDIS = "django.core.cache.backends.redis.RedisCache"


@pytest.fixture(autouse=True)
def redis_cache(settings: Any, redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": redis_server}}
    monkeypatch.setattr(throttling._Away, "until", 0.0)
    monkeypatch.setattr(throttling._Away, "told", False)
    # Nothing of this may happen at the border of two windows.
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_010.0)
    cache.clear()


def client() -> APIClient:
    _, secret = ApiToken.objects.issue("x")
    return APIClient(headers={"Authorization": f"Bearer {secret}"})


def post(who: APIClient, telegram_id: int = 42, path: str = POST, key: str = "") -> Any:
    body = {"currency_char_code": "USD", "telegram_id": telegram_id}
    return who.post(path, body, format="json", headers={"Idempotency-Key": key} if key else {})


def test_a_token_has_its_rate(settings: Any) -> None:
    settings.THROTTLE_TOKEN = "3/minute"
    one, other = client(), client()
    assert [post(one).status_code for _ in range(4)] == [202, 202, 202, 429]
    refused = one.get(POST)
    # 1,000,000,010 is 50 seconds into its minute.
    assert (refused.status_code, refused.headers["Retry-After"], refused.json()["code"]) == (429, "10", "throttled")
    assert post(other).status_code == 202
    assert post(APIClient()).status_code == 202


def test_a_telegram_id_has_its_rate_whoever_asks(settings: Any) -> None:
    settings.THROTTLE_TELEGRAM_ID = "2/hour"
    assert [post(client()).status_code for _ in range(3)] == [202, 202, 429]
    assert post(client(), path="/currency-info").status_code == 429
    assert post(client(), 43).status_code == 202
    assert RateRequest.objects.count() == 3


def test_a_repeat_under_a_key_is_not_counted(settings: Any) -> None:
    settings.THROTTLE_TELEGRAM_ID = "1/hour"
    who = client()
    assert [post(who, key="one").status_code for _ in range(3)] == [202, 202, 202]


def test_a_batch_counts_as_many(settings: Any) -> None:
    settings.THROTTLE_TOKEN = "10/minute"
    who = client()
    bodies = [{"currency_char_code": "USD", "telegram_ids": list(range(1, count))} for count in (8, 8)]
    assert [who.post(f"{POST}batch/", body, format="json").status_code for body in bodies] == [202, 429]
    assert RateRequest.objects.count() == 7


def test_an_address_has_none_unless_it_is_set(settings: Any) -> None:
    assert all(post(APIClient()).status_code == 202 for _ in range(50))
    settings.THROTTLE_ANONYMOUS = "2/minute"
    assert [post(APIClient()).status_code for _ in range(3)] == [202, 202, 429]


def test_without_redis_nothing_is_limited_and_that_is_said_once(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": f"redis://127.0.0.1:{ports.free_port()}/0"}}
    settings.THROTTLE_TOKEN = settings.THROTTLE_TELEGRAM_ID = "1/minute"
    monkeypatch.setattr(throttling, "AWAY", 0)
    who = client()
    with caplog.at_level(logging.WARNING, "project.accounts.throttling"):
        assert [post(who).status_code for _ in range(3)] == [202, 202, 202]
    assert len(caplog.records) == 1
