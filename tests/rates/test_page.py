"""The page at the root."""

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from rates.sheets import parse_sheet
from rates.store import note_contact, save_sheet
from tests.standins.cbr import recorded_sheets

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored() -> None:
    save_sheet(parse_sheet(recorded_sheets()[max(recorded_sheets())]))


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_it_shows_the_newest_rates_and_leads_on(client: Client, stored: None) -> None:
    html = page(client)
    for text in ("25.04.2026", "Доллар США", "75,5273", 'href="/api/v1/"', 'href="/api/v1/docs/"', 'href="/admin/"'):
        assert text in html
    assert html.count('<th scope="row">') == 54


def test_it_says_whether_the_rates_are_fresh(client: Client, stored: None) -> None:
    assert "не свежие" in page(client)
    note_contact(timezone.now())
    assert "не свежие" not in page(client)


def test_it_is_there_in_english(client: Client, stored: None) -> None:
    html = page(client, "?lang=en")
    for text in ('<html lang="en">', "25 April 2026", "US Dollar", "75.5273", "not fresh", "Кьятов"):
        assert text in html


def test_without_rates_it_says_so(client: Client) -> None:
    assert "Курсов пока нет" in page(client)
    assert "No rates yet" in page(client, "?lang=en")


def test_its_style_is_served_by_the_project(client: Client) -> None:
    assert "/static/rates/page.css" in page(client)
    assert finders.find("rates/page.css")
