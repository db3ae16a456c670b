"""The pages as a browser without JavaScript has them."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from notifier import requests
from notifier.backlog import backlog
from notifier.models import RateRequest
from rates.sheets import Sheet, SheetRate
from rates.store import note_contact, save_sheet

pytestmark = pytest.mark.django_db
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def page(client: Client, path: str = "/", status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return response.content.decode().replace("\xa0", " ")


def test_it_shows_the_newest_rates_and_leads_on(client: Client, stored: None) -> None:
    html = page(client)
    for text in ("25.04.2026", "Доллар США", "75,5273", 'href="/api/v1/"', 'href="/api/v1/docs/"', 'href="/admin/"'):
        assert text in html
    assert html.count('<th scope="row">') == 54


def test_it_says_whether_the_rates_are_fresh(client: Client, stored: None) -> None:
    assert "не свежие" in page(client)
    note_contact(timezone.now())
    assert "не свежие" not in page(client)


def test_the_language_is_chosen_by_a_link_and_remembered(client: Client, stored: None) -> None:
    html = page(client, "/?lang=en")
    for text in ('<html lang="en"', "25 April 2026", "US Dollar", "75.5273", "Not fresh"):
        assert text in html
    assert '<html lang="en"' in page(client)
    assert '<html lang="ru"' in page(client, "/?lang=ru")
    assert '<html lang="ru"' in page(client, "/?lang=xx")


def test_the_colours_are_chosen_by_a_link_and_remembered(client: Client, stored: None) -> None:
    assert 'data-theme="auto"' in page(client)
    assert 'data-theme="dark"' in page(client, "/?theme=dark")
    assert 'data-theme="dark"' in page(client, "/status")


@pytest.mark.parametrize("path", ["/", "/rates/USD/", "/status", "/?q=zzz", "/?amount=x"])
def test_english_pages_have_no_russian_in_them(client: Client, stored: None, path: str) -> None:
    html = page(client, f"{path}{'&' if '?' in path else '?'}lang=en")
    # The link, and the one currency that the Bank has no English name for.
    assert set(CYRILLIC.findall(html.replace("По-русски", "").replace("Кьятов", ""))) == set()


def test_search_needs_no_script(client: Client, stored: None) -> None:
    for query in ("usd", "доллар сша", "us dollar"):
        html = page(client, f"/?q={query}")
        assert '<a href="/rates/USD/">USD</a>' in html
        assert html.count('<th scope="row">') < 10
    assert "Такой валюты" in page(client, "/?q=%3Cscript%3E")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("amount=100&from=USD&to=RUB", "7 552,73 RUB"),
        ("amount=1+000,5&from=usd&to=rub", "75 565,06 RUB"),
        ("amount=75.5273&from=RUB&to=USD", "1,00 USD"),
        ("amount=-1", "Сумма — это число"),
        ("amount=1e400", "Сумма — это число"),
        ("amount=NaN", "Сумма — это число"),
        ("amount=", "Сумма — это число"),
        ("amount=1&from=ZZZ", "Нет курса:"),
        ("amount=1&from=%00", "Нет курса:"),
        ("amount=100&from=&to=", "7 552,73 RUB"),
        ("amount=1e-999999", "Сумма — это число"),
        ("amount=0", "0,00 RUB"),
    ],
)
def test_the_converter_needs_no_script(client: Client, stored: None, query: str, told: str) -> None:
    assert told in page(client, f"/?{query}")


def test_a_change_is_of_as_many_units_as_the_rate(client: Client) -> None:
    """The dong is told for 10 000: the change of one of them would be nothing but noughts."""
    for day, value in ((24, "28.4000"), (25, "28.3907")):
        dong = SheetRate("R01150", "704", "VND", 10_000, "Донгов", Decimal(value))
        save_sheet(Sheet(dt.date(2026, 4, day), (dong,)))
    for path in ("/", "/rates/VND/"):
        html = page(client, path)
        assert "▼</span> −0,0093" in html and "−0,03 %" in html
    assert "0,002839 ₽" in page(client, "/rates/VND/")


def test_a_phone_gets_a_narrow_chart(client: Client, stored: None) -> None:
    save_sheet(Sheet(dt.date(2026, 4, 24), (SheetRate("R01235", "840", "USD", 1, "Доллар США", Decimal(75)),)))
    (narrow,) = re.findall(r'media="\(max-width[^>]+srcset="([^"]+)"', page(client, "/rates/USD/?theme=dark"))
    sizes = [
        re.search(rb'viewBox="0 0 (\d+)', client.get(path).content)
        for path in (narrow.replace("&amp;", "&"), "/rates/USD/chart.svg")
    ]
    assert [found and int(found[1]) for found in sizes] == [316, 576]


def test_a_currency_that_there_is_not(client: Client, stored: None) -> None:
    assert "75,5273" in page(client, "/rates/usd/")
    page(client, "/rates/ZZZ/", status=404)
    page(client, "/rates/ZZZ/chart.svg", status=404)


def test_without_rates_it_says_so(client: Client) -> None:
    assert "Курсов пока нет" in page(client)
    assert "No rates yet" in page(client, "/?lang=en")
    page(client, "/rates/USD/", status=404)
    page(client, "/status")


def test_a_request_from_the_form_is_followed_by_who_has_sent_it(client: Client, stored: None) -> None:
    answer = client.post("/requests/", {"currency_char_code": "usd", "telegram_id": "-100777"})
    row = RateRequest.objects.get()
    assert (answer.status_code, answer["Location"], row.currency_char_code) == (303, f"/requests/{row.pk}/", "USD")
    html = page(client, answer["Location"])
    assert "-100777" in html
    assert 'http-equiv="refresh"' in html
    RateRequest.objects.update(text="75,5273 рубля", notifying_at=timezone.now())
    requests.deliver(row.pk)
    ended = page(client, answer["Location"])
    assert "75,5273 рубля" in ended
    assert 'http-equiv="refresh"' not in ended
    strange = page(Client(), answer["Location"])
    assert "Доставлен" in strange
    assert "-100777" not in strange
    assert "75,5273 рубля" not in strange


def test_a_request_that_failed_tells_why(client: Client) -> None:
    client.post("/requests/", {"currency_char_code": "usd", "telegram_id": "5"})
    row = RateRequest.objects.get()
    requests.fail(row.pk, "blocked", "Человек 5 заблокировал бота")
    assert "заблокировал бота" in page(client, f"/requests/{row.pk}/")
    strange = page(Client(), f"/requests/{row.pk}/?lang=en")
    assert "Not delivered" in strange
    assert "blocked" in strange
    assert "заблокировал бота" not in strange


def test_what_is_wrong_is_told_at_the_field(client: Client, stored: None) -> None:
    answer = client.post("/requests/", {"currency_char_code": "dollar", "telegram_id": "0"})
    html = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="dollar"' in html
    assert "Три латинские буквы" in html
    assert "Целое число, не 0" in html
    assert not RateRequest.objects.exists()


def test_with_too_many_requests_waiting_it_says_so(client: Client, stored: None, settings: Any) -> None:
    settings.MAX_BACKLOG = 0
    backlog.forget()
    answer = client.post("/requests/", {"currency_char_code": "USD", "telegram_id": "5"})
    backlog.forget()
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "слишком много запросов" in answer.content.decode()
    assert not RateRequest.objects.exists()


def test_the_form_is_only_taken_from_this_site(stored: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/requests/", {"currency_char_code": "USD", "telegram_id": "5"}).status_code == 403


def test_pages_need_nothing_that_a_strict_policy_forbids(client: Client, stored: None) -> None:
    for path in ("/", "/rates/USD/", "/status"):
        html = page(client, path)
        assert " style=" not in html
        assert not re.findall(r"<script(?![^>]*src=)", html)
        assert not re.findall(r"\son\w+=", html)
        assert set(re.findall(r'(?:src|href)="(https?:|data:|//)', html)) == set()
    assert finders.find("pages/page.css")
    assert finders.find("pages/page.js")


def test_changes_have_a_sign_and_an_arrow_beside_their_colour() -> None:
    template = Template("{% load pages %}{{ value|direction }} {{ value|arrow }} {% signed value 2 %}")

    told = [template.render(Context({"lang": "ru", "value": Decimal(value)})) for value in ("1.5", "-1.5", "0")]
    assert told == ["up ▲ +1,50", "down ▼ −1,50", "same = 0,00"]


def test_the_status_tells_errors_by_name_alone(client: Client, stored: None) -> None:
    row = requests.accept("USD", 987654321)
    requests.fail(row.pk, "blocked", "private words")
    html = page(client, "/status?lang=en")
    assert "blocked" in html
    assert "25 April 2026" in html
    assert "987654321" not in html
    assert "private words" not in html
    # These tests have no Kafka.
    assert "unknown" in html


def test_without_a_token_the_form_is_there_only_where_a_setting_says_so(
    client: Client, admin_client: Client, stored: None, settings: Any
) -> None:
    settings.ALLOW_ANONYMOUS_REQUESTS = False
    assert b'name="telegram_id"' not in client.get("/").content
    refused = client.post("/requests/", {"currency_char_code": "USD", "telegram_id": "42"})
    assert (refused.status_code, RateRequest.objects.count()) == (403, 0)
    assert b'name="telegram_id"' in admin_client.get("/").content


def test_the_form_knows_no_webhooks_and_keeps_to_the_limits(
    client: Client, stored: None, settings: Any, redis_server: str
) -> None:
    settings.THROTTLE_TELEGRAM_ID = "1/hour"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_server}}
    webhook = client.post("/requests/", {"currency_char_code": "USD", "webhook_url": "https://example.org/"})
    assert webhook.status_code == 400
    answers = [client.post("/requests/", {"currency_char_code": "USD", "telegram_id": "7719"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert int(answers[1]["Retry-After"]) > 0


def test_a_browser_gets_the_icon_where_a_page_names_none(client: Client) -> None:
    response = client.get("/favicon.ico", follow=True)
    assert response.status_code == 200
    assert response["Content-Type"] == "image/svg+xml"
