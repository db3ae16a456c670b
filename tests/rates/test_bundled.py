"""The recorded files that come with the project."""

import datetime
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from rates.catalogue import bundled_catalogue
from rates.models import Currency, Rate
from rates.series import parse_series
from rates.sheets import parse_sheet
from rates.store import save_sheet
from tests.standins.cbr import DATA_DIR

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
DAY = datetime.date(2026, 4, 25)


def load() -> str:
    out = StringIO()
    call_command("load_bundled_rates", stdout=out)
    return out.getvalue()


def test_it_loads_sheets_history_and_names() -> None:
    assert load() == "bundled: 3 sheets and 141 rates added; newest 2026-04-25\n"
    usd = Rate.objects.filter(currency__char_code="USD", date__year=2026).order_by("date")
    assert [(rate.date.isoformat(), str(rate.unit_value)) for rate in usd] == [
        ("2026-03-03", "77.1734"),
        ("2026-03-04", "77.6093"),
        ("2026-03-05", "77.8009"),
        ("2026-04-25", "75.5273"),
    ]
    # The catalogue is of 2021 and knows one of the currencies not yet.
    assert list(Currency.objects.filter(name_en="").values_list("char_code", flat=True)) == ["MMK"]


def test_a_second_time_adds_nothing() -> None:
    load()
    assert load() == "bundled: 0 sheets and 0 rates added; newest 2026-04-25\n"


def test_a_correction_by_the_cbr_stays() -> None:
    sheet = parse_sheet((DATA_DIR / "daily_2026-04-25.xml").read_bytes())
    save_sheet(replace(sheet, rates=(replace(sheet.rates[0], value=Decimal("99.0000")), *sheet.rates[1:])))
    march = datetime.date(2026, 3, 3)
    save_sheet(replace(sheet, date=march))
    load()
    aud = Rate.objects.get(currency__char_code="AUD", date=DAY)
    assert aud.value == 99
    assert Rate.objects.get(currency__char_code="AUD", date=march).value == sheet.rates[0].value


def test_english_names_of_stored_currencies_are_filled_in() -> None:
    load()
    Currency.objects.filter(char_code="USD").update(name_en="")
    load()
    assert Currency.objects.get(char_code="USD").name_en == "US Dollar"


def test_series_give_the_nominal_with_each_record() -> None:
    series = parse_series((DATA_DIR / "dynamic_R01717_2026-03-01_05.xml").read_bytes())
    assert series.cbr_id == "R01717"
    assert [(rate.date.day, rate.nominal, str(rate.value)) for rate in series.rates] == [
        (3, 10_000, "63.3058"),
        (4, 10_000, "63.5628"),
        (5, 10_000, "63.8769"),
    ]


def test_an_empty_series_is_legal() -> None:
    body = b'<ValCurs ID="R01235" DateRange1="01.01.2026" DateRange2="08.01.2026" name="x"></ValCurs>'
    assert parse_series(body).rates == ()


def test_the_catalogue_is_read_whole() -> None:
    entries = bundled_catalogue()
    assert len(entries) == 150
    assert (entries["R01235"].char_code, entries["R01235"].name_en) == ("USD", "US Dollar")
    # XML_daily pads the numbers, XML_valFull does not.
    assert entries["R01010"].num_code == "036"
