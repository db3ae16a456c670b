"""Stored sheets: whole, corrected by what comes later, never renamed by what is old."""

import datetime
from dataclasses import replace
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from rates.models import Currency, Rate, StoredSheet
from rates.sheets import Sheet, SheetRate, parse_sheet
from rates.store import newest_stored_sheet, save_sheet, stored_sheet
from tests.standins.cbr import recorded_sheets

pytestmark = pytest.mark.django_db
USD = SheetRate("R01235", "840", "USD", 1, "Доллар США", Decimal("75.5273"))
CNY = SheetRate("R01375", "156", "CNY", 10, "Китайских юаней", Decimal("110.4120"))
DAY = datetime.date(2026, 4, 25)


@pytest.mark.parametrize("day", sorted(recorded_sheets()), ids=str)
def test_a_stored_sheet_is_the_one_that_was_saved(day: datetime.date) -> None:
    sheet = parse_sheet(recorded_sheets()[day])
    save_sheet(sheet)
    found = stored_sheet(day)
    assert found is not None
    assert set(found.rates) == set(sheet.rates)
    assert {rate.char_code: str(rate.value) for rate in found.rates} == {
        rate.char_code: str(rate.value) for rate in sheet.rates
    }


def test_saving_twice_changes_nothing() -> None:
    save_sheet(Sheet(DAY, (USD, CNY)))
    before = list(Rate.objects.order_by("pk").values())
    save_sheet(Sheet(DAY, (CNY, USD)))
    assert list(Rate.objects.order_by("pk").values()) == before
    assert StoredSheet.objects.count() == 1


def test_a_correction_overwrites_and_history_stays() -> None:
    save_sheet(Sheet(DAY - datetime.timedelta(1), (USD, CNY)))
    save_sheet(Sheet(DAY, (USD, CNY)))
    corrected = Sheet(DAY, (replace(USD, value=Decimal("80.0000")),))
    save_sheet(corrected)
    assert stored_sheet(DAY) == corrected
    yesterday = stored_sheet(DAY - datetime.timedelta(1))
    assert yesterday is not None
    assert set(yesterday.rates) == {USD, CNY}


def test_an_old_sheet_is_no_newest_one_and_renames_nothing() -> None:
    now = replace(CNY, nominal=1, name="Юань", value=Decimal("11.0412"))
    save_sheet(Sheet(DAY, (USD, now)))
    save_sheet(Sheet(DAY - datetime.timedelta(365), (USD, CNY)))
    newest = newest_stored_sheet()
    assert newest is not None
    assert newest.date == DAY
    assert newest.find("CNY") == now
    assert Currency.objects.get(char_code="CNY").name == "Юань"
    old = stored_sheet(DAY - datetime.timedelta(365))
    assert old is not None
    assert old.find("CNY") == CNY


def test_a_newer_sheet_renames() -> None:
    save_sheet(Sheet(DAY, (CNY,)))
    save_sheet(Sheet(DAY + datetime.timedelta(1), (replace(CNY, name="Юаней", cbr_id="R01375A"),)))
    currency = Currency.objects.get(char_code="CNY")
    assert (currency.name, currency.cbr_id) == ("Юаней", "R01375A")


def test_the_catalogue_gives_english_names() -> None:
    save_sheet(Sheet(DAY, (USD, replace(CNY, cbr_id="R09999"))))
    assert dict(Currency.objects.values_list("char_code", "name_en")) == {"USD": "US Dollar", "CNY": ""}


def test_saving_takes_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_max_num_queries(15):
        save_sheet(parse_sheet(recorded_sheets()[DAY]))
