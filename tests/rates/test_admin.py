"""Rates in the admin."""

import datetime

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from rates.models import Rate, StoredSheet
from rates.sheets import parse_sheet
from rates.store import newest_stored_date, save_sheet
from tests.standins.cbr import recorded_sheets

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture(autouse=True)
def _stored() -> None:
    for body in recorded_sheets().values():
        save_sheet(parse_sheet(body))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("currency/?q=dollar", "Доллар США"),
        ("rate/?q=USD", "75.5273"),
        ("rate/?date__year=2016", "63.3901"),
        ("storedsheet/", "April 25, 2026"),
        ("cbrcontact/", "contact with the CBR"),
    ],
)
def test_lists_are_there(admin_client: Client, path: str, text: str) -> None:
    response = admin_client.get(f"/admin/rates/{path}")
    assert response.status_code == 200
    assert text in response.content.decode()


def test_a_list_of_rates_takes_few_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(12):
        admin_client.get("/admin/rates/rate/")


def test_a_rate_can_be_seen_and_not_changed(admin_client: Client) -> None:
    pk = Rate.objects.values_list("pk", flat=True)[0]
    assert admin_client.get(f"/admin/rates/rate/{pk}/change/").status_code == 200
    assert admin_client.post(f"/admin/rates/rate/{pk}/change/", {"value": "1"}).status_code == 403
    assert admin_client.get("/admin/rates/rate/add/").status_code == 403
    assert admin_client.post(f"/admin/rates/rate/{pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_wrong_sheet_goes_with_its_rates(admin_client: Client) -> None:
    sheet = StoredSheet.objects.get(date=datetime.date(2026, 4, 25))
    response = admin_client.post(f"/admin/rates/storedsheet/{sheet.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not Rate.objects.filter(date=sheet.date).exists()
    assert newest_stored_date() == datetime.date(2016, 12, 9)
