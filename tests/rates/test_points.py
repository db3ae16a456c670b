"""The history of a currency: stored days are told, missing ones are asked for once."""

import datetime
from decimal import Decimal

import pytest

from rates.cbr import CbrUnavailable
from rates.models import Currency
from rates.points import points
from rates.sheets import parse_sheet
from rates.store import save_sheet
from tests.standins.cbr import CbrStandin, recorded_sheets

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
START, END = datetime.date(2026, 3, 1), datetime.date(2026, 3, 31)


@pytest.fixture(autouse=True)
def stored() -> None:
    save_sheet(parse_sheet(recorded_sheets()[datetime.date(2026, 4, 25)]))


def test_missing_days_are_asked_for_once(cbr: CbrStandin) -> None:
    found = points("USD", START, END, fetch=True)
    assert [point.date.day for point in found] == [3, 4, 5]
    assert all(point.unit_value == point.value / point.nominal for point in found)
    assert [asked.query for asked in cbr.requests] == [
        {"date_req1": "03/03/2026", "date_req2": "31/03/2026", "VAL_NM_RQ": "R01235"}
    ]
    assert points("USD", START, END, fetch=True) == points("USD", START, END) == found
    assert points("USD", datetime.date(2026, 3, 10), END, fetch=True) == []
    assert len(cbr.requests) == 1


def test_without_fetch_nobody_is_asked(cbr: CbrStandin) -> None:
    assert points("USD", START, END) == points("XXX", START, END, fetch=True) == []
    assert points("USD", datetime.date(2026, 4, 25), datetime.date(2026, 4, 27), fetch=True)[0].value == Decimal(
        "75.5273"
    )
    assert cbr.requests == []


@pytest.mark.parametrize("mode", ["403", "splash", "cut", "error"])
def test_a_cbr_that_is_away_is_not_asked_again_at_once(cbr: CbrStandin, mode: str) -> None:
    cbr.mode = mode
    for _ in range(3):
        with pytest.raises(CbrUnavailable):
            points("USD", START, END, fetch=True)
    assert len(cbr.requests) == 1
    assert not Currency.objects.get(char_code="USD").asked_ranges.exists()


def test_long_ranges_are_asked_for_in_parts(cbr: CbrStandin) -> None:
    points("USD", datetime.date.min, datetime.date(2026, 3, 31), fetch=True)
    assert len(cbr.requests) == 4
    assert cbr.requests[0].query["date_req1"] == "01/07/1992"
    points("USD", datetime.date(1995, 1, 1), datetime.date(2026, 3, 31), fetch=True)
    assert len(cbr.requests) == 4
