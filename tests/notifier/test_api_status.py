"""What a client sees of its request, by the API and by its page in a browser."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from notifier import requests
from notifier.models import RateRequest
from notifier.tasks import notify
from tests.notifier.conftest import POST, Api

T0 = dt.datetime(2026, 4, 25, 10, 0, 0, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return T0 + dt.timedelta(seconds=seconds)


def detail(api: Api, row: RateRequest) -> dict[str, Any]:
    """As a stranger sees it."""
    answer = api.get(reverse("rate-request-detail", args=[row.pk]))
    assert answer.status_code == 200
    return answer.json()


def test_an_accepted_request(api: Api, row: RateRequest) -> None:
    seen = detail(api, row)
    assert seen["status"] == "accepted"
    assert (seen["rate"], seen["error"]) == (None, None)
    assert seen["attempts"] == {"fetch": 0, "notify": 0}
    assert seen["times"]["fetching_at"] is None
    assert set(seen["durations"].values()) == {None}


def test_a_delivered_request(api: Api, row: RateRequest, found: dict[str, Any], outbox: list[Any]) -> None:
    requests.start_fetching(row.pk)
    notify.apply(args=(found, str(row.pk)), throw=True)
    times = {"accepted_at": at(0), "fetching_at": at(0.02), "notifying_at": at(0.15), "finished_at": at(0.4)}
    RateRequest.objects.update(created_at=at(0), **times)
    seen = detail(api, row)
    assert seen["status"] == "delivered"
    assert seen["times"]["finished_at"] == "2026-04-25T10:00:00.400000Z"
    assert seen["durations"] == {"waiting": 0.02, "fetching": 0.13, "notifying": 0.25, "total": 0.4}
    assert seen["rate"] == {
        "found": True,
        "nominal": 1,
        "value": "75.5273",
        "unit_value": "75.5273",
        "date": "2026-04-25",
        "fresh": True,
    }
    assert seen["attempts"] == {"fetch": 1, "notify": 1}
    assert seen["error"] is None


def test_a_currency_that_was_not_found(api: Api, row: RateRequest, outbox: list[Any]) -> None:
    missing = {"found": False, "char_code": "XXX", "date": "2026-04-25", "fresh": False}
    notify.apply(args=(missing, str(row.pk)), throw=True)
    seen = detail(api, row)
    assert seen["status"] == "delivered"
    assert seen["rate"] == {
        "found": False,
        "nominal": None,
        "value": None,
        "unit_value": None,
        "date": "2026-04-25",
        "fresh": False,
    }


def test_small_rates_are_exact(api: Api, row: RateRequest) -> None:
    RateRequest.objects.update(found=True, nominal=1000000, value="53.9256", fresh=True)
    rate = detail(api, row)["rate"]
    assert (rate["value"], rate["unit_value"]) == ("53.9256", "0.0000539256")


def test_a_failed_request(api: Api, row: RateRequest) -> None:
    requests.fail(row.pk, "no_rates", "Банк России недоступен")
    seen = detail(api, row)
    assert seen["status"] == "failed"
    assert seen["error"] == {"code": "no_rates", "message": "Банк России недоступен"}
    assert seen["times"]["finished_at"] is not None


def test_strangers_see_no_list(api: Api, row: RateRequest) -> None:
    answer = api.get(POST)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["code"] == "not_authenticated"
    page = html(api, POST)
    assert str(row.pk) not in page and "The list takes a token" in page


def test_strangers_see_neither_who_gets_it_nor_the_text(api: Api, row: RateRequest, admin_user: User) -> None:
    RateRequest.objects.update(telegram_id=987654321, text="1 USD = 75,5273 ₽")
    seen = detail(api, row)
    assert (seen["telegram_id"], seen["webhook_url"], seen["text"]) == ("…", None, None)
    assert "987654321" not in html(api, reverse("rate-request-detail", args=[row.pk]))
    api.client.force_login(admin_user)
    seen = detail(api, row)
    assert (seen["telegram_id"], seen["text"]) == (987654321, "1 USD = 75,5273 ₽")


def test_staff_sees_the_newest_first_by_pages(api: Api, row: RateRequest, admin_user: User) -> None:
    newer = [requests.accept("EUR", number) for number in range(1, 30)]
    api.client.force_login(admin_user)
    first = api.get(POST).json()
    assert first["results"][0]["id"] == str(newer[-1].pk)
    assert len(first["results"]) == 25
    assert api.get(first["next"]).json()["results"][-1]["id"] == str(row.pk)


def html(api: Api, path: str) -> str:
    answer = api.get(path, HTTP_ACCEPT="text/html")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_form_in_a_browser(api: Api, published: Any) -> None:
    root = html(api, "/api/v1/")
    assert 'href="http://localhost/api/v1/rate-requests/"' in root
    page = html(api, POST)
    assert 'name="currency_char_code"' in page and 'name="telegram_id"' in page
    form = {"currency_char_code": "usd", "telegram_id": "-42"}
    answer = api.post(form, format="multipart", HTTP_ACCEPT="text/html")
    assert answer.status_code == 202
    assert 'name="telegram_id"' in answer.content.decode()
    links = re.findall(r'<a href="(http://localhost/api/v1/rate-requests/[0-9a-f-]+/)"', answer.content.decode())
    assert "accepted" in html(api, links[0])


def test_a_bad_form_says_so_at_the_field(api: Api) -> None:
    answer = api.post({"currency_char_code": "US", "telegram_id": "x"}, format="multipart", HTTP_ACCEPT="text/html")
    assert answer.status_code == 400
    assert answer.content.decode().count("help-block") >= 2


@pytest.mark.parametrize("with_token", [True, False])
def test_the_form_of_someone_signed_in_needs_its_token(
    api: Api, published: Any, admin_user: User, with_token: bool
) -> None:
    api.client.force_login(admin_user)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html(api, POST))
    assert token
    form = {"currency_char_code": "USD", "telegram_id": "42"}
    if with_token:
        form["csrfmiddlewaretoken"] = token.group(1)
    answer = api.post(form, format="multipart", HTTP_ACCEPT="text/html")
    assert answer.status_code == (202 if with_token else 403)
