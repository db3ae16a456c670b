"""GET /api/v1/rates/ and /api/v1/currencies/."""

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from rates.sheets import parse_sheet
from rates.store import note_contact, save_sheet
from tests.standins.cbr import recorded_sheets

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored() -> None:
    for body in recorded_sheets().values():
        save_sheet(parse_sheet(body))


def rates(client: Client, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"/api/v1/rates/{query}")
    assert response.status_code == 200
    return response.json()


def test_a_days_sheet_is_listed_exactly(client: Client, stored: None) -> None:
    found = rates(client, "?date=2026-04-25")
    expected = parse_sheet(recorded_sheets()[datetime.date(2026, 4, 25)])
    assert [rate["char_code"] for rate in found] == sorted(rate.char_code for rate in expected.rates)
    for rate in found:
        wanted = expected.find(rate["char_code"])
        assert wanted is not None
        assert (rate["value"], rate["nominal"]) == (str(wanted.value), wanted.nominal)
        assert (rate["num_code"], rate["name"], rate["date"]) == (wanted.num_code, wanted.name, "2026-04-25")


@pytest.mark.parametrize(
    ("code", "nominal", "value", "unit_value"),
    [
        ("USD", 1, "75.5273", "75.5273"),
        ("DZD", 100, "57.0006", "0.570006"),
        ("UZS", 10_000, "62.8322", "0.00628322"),
        ("IRR", 1_000_000, "53.9256", "0.0000539256"),
    ],
)
def test_numbers_are_decimal_strings_without_exponent(
    client: Client, stored: None, code: str, nominal: int, value: str, unit_value: str
) -> None:
    rate = client.get(f"/api/v1/rates/{code}/?date=2026-04-25").json()
    assert (rate["nominal"], rate["value"], rate["unit_value"]) == (nominal, value, unit_value)


def test_without_a_date_it_is_the_newest_sheet(client: Client, stored: None) -> None:
    assert rates(client) == rates(client, "?date=2026-04-25") == rates(client, "?date=")


def test_fresh_means_that_the_cbr_was_asked_lately_and_answered(client: Client, stored: None) -> None:
    assert {rate["fresh"] for rate in rates(client)} == {False}
    note_contact(timezone.now())
    assert {rate["fresh"] for rate in rates(client)} == {True}
    assert {rate["fresh"] for rate in rates(client, "?date=2016-12-09")} == {False}
    note_contact(timezone.now(), "the CBR answers with status 403")
    assert {rate["fresh"] for rate in rates(client)} == {False}
    note_contact(timezone.now() - datetime.timedelta(hours=3))
    assert {rate["fresh"] for rate in rates(client)} == {False}


@pytest.mark.parametrize("date", ["25.04.2026x", "2026-02-30", "today"])
def test_a_bad_date_is_told_by_field(client: Client, stored: None, date: str) -> None:
    response = client.get("/api/v1/rates/", {"date": date})
    assert response.status_code == 400
    assert response.json() == {
        "code": "bad_parameters",
        "detail": "date: Enter a valid date.",
        "date": ["Enter a valid date."],
    }


def test_a_day_without_a_sheet_is_not_found(client: Client, stored: None) -> None:
    response = client.get("/api/v1/rates/?date=2026-04-24")
    assert response.status_code == 404
    assert response.json() == {"code": "no_sheet", "detail": "No sheet is stored for 2026-04-24."}


def test_with_nothing_stored_it_is_not_found(client: Client) -> None:
    response = client.get("/api/v1/rates/")
    assert (response.status_code, response.json()["code"]) == (404, "no_sheet")


def test_one_currency_has_an_address_in_either_case(client: Client, stored: None) -> None:
    assert client.get("/api/v1/rates/usd/").json() == client.get("/api/v1/rates/USD/").json()
    missing = client.get("/api/v1/rates/XXX/")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_rate")


def test_currencies_have_both_names(client: Client, stored: None) -> None:
    assert client.get("/api/v1/currencies/USD/").json() == {
        "char_code": "USD",
        "num_code": "840",
        "cbr_id": "R01235",
        "name": "Доллар США",
        "name_en": "US Dollar",
        "nominal": 1,
        "first_date": "2016-08-23",
        "last_date": "2026-04-25",
    }
    codes = [currency["char_code"] for currency in client.get("/api/v1/currencies/").json()]
    assert codes == sorted(codes)
    assert len(codes) > 54


@pytest.mark.parametrize("path", ["/api/v1/rates/", "/api/v1/rates/USD/", "/api/v1/currencies/"])
def test_nothing_can_be_written(client: Client, stored: None, path: str) -> None:
    for method in (client.post, client.put, client.patch, client.delete):
        assert method(path).status_code in {403, 405}


def test_the_list_takes_few_queries(
    client: Client, stored: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(5):
        rates(client)


def test_the_browsable_page_has_the_filter_form(client: Client, stored: None) -> None:
    page = client.get("/api/v1/rates/", headers={"accept": "text/html"}).content.decode()
    assert 'type="date"' in page
    assert "Доллар США" in page
