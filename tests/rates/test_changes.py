"""Changes and conversions, on all recorded rates and on sheets made for it."""

import datetime
from decimal import Decimal

import pytest

from rates.changes import with_changes
from rates.conversion import NoRate, convert
from rates.history import load_bundled
from rates.sheets import parse_sheet
from rates.store import save_sheet
from tests.standins.cbr import recorded_sheets, wire_sheet

pytestmark = pytest.mark.django_db
FRIDAY, SATURDAY, TUESDAY = (datetime.date(2026, 10, day) for day in (2, 3, 6))
USD, UZS = ("R01235", "840", "USD"), ("R01717", "860", "UZS")


def store(day: datetime.date, **values: tuple[int, str]) -> None:
    """A sheet of dollars and sums: USD=(1, "80,0000")."""
    ids = {"USD": USD, "UZS": UZS}
    names = {"USD": "Доллар США", "UZS": "Узбекских сумов"}
    rows = [(*ids[code], nominal, names[code], value) for code, (nominal, value) in values.items()]
    save_sheet(parse_sheet(wire_sheet(day, rows)))


def test_a_new_nominal_is_no_jump() -> None:
    store(SATURDAY, USD=(1, "80,0000"), UZS=(1000, "6,4000"))
    store(TUESDAY, USD=(1, "79,0000"), UZS=(10_000, "64,6400"))
    dollar, sum_ = with_changes()
    assert (dollar.previous_date, dollar.absolute, dollar.percent) == (SATURDAY, Decimal("-1"), Decimal("-1.2500"))
    assert (sum_.absolute, sum_.percent) == (Decimal("0.000064"), Decimal("1.0000"))


def test_what_the_sheet_before_lacks_has_no_change() -> None:
    store(FRIDAY, USD=(1, "80,0000"), UZS=(1000, "6,4000"))
    store(SATURDAY, USD=(1, "81,0000"))
    store(TUESDAY, USD=(1, "82,0000"), UZS=(1000, "6,5000"))
    changes = {change.rate.currency.char_code: change for change in with_changes()}
    assert changes["USD"].previous_date == SATURDAY
    assert (changes["UZS"].previous_date, changes["UZS"].absolute, changes["UZS"].percent) == (None, None, None)


def test_a_day_without_a_sheet_has_the_rates_of_the_one_before_it() -> None:
    store(FRIDAY, USD=(1, "80,0000"))
    store(SATURDAY, USD=(1, "81,0000"))
    store(TUESDAY, USD=(1, "82,0000"))
    for day in (SATURDAY, SATURDAY + datetime.timedelta(days=1), SATURDAY + datetime.timedelta(days=2)):
        assert [(c.rate.date, c.previous_date) for c in with_changes(day)] == [(SATURDAY, FRIDAY)]
        assert [(c.rate.date, c.previous_date) for c in with_changes(day, ["USD"])] == [(SATURDAY, FRIDAY)]
    assert with_changes(FRIDAY - datetime.timedelta(days=1)) == []
    assert with_changes(datetime.date.max)[0].rate.date == TUESDAY
    assert with_changes(datetime.date.min) == with_changes(datetime.date.min, ["USD"]) == []


def test_a_gap_in_what_is_stored_is_not_bridged() -> None:
    store(datetime.date(2026, 3, 3), USD=(1, "80,0000"))
    store(FRIDAY, USD=(1, "90,0000"))
    assert with_changes(datetime.date(2026, 3, 17))[0].rate.date == datetime.date(2026, 3, 3)
    assert with_changes(datetime.date(2026, 3, 18)) == []
    assert with_changes()[0].previous_date is None


@pytest.mark.parametrize("day", sorted(recorded_sheets()))
def test_every_recorded_rate_converts_exactly(day: datetime.date) -> None:
    for body in recorded_sheets().values():
        save_sheet(parse_sheet(body))
    for rate in parse_sheet(recorded_sheets()[day]).rates:
        there = convert(Decimal(rate.nominal), rate.char_code, "RUB", day)
        assert (there.result, there.date) == (rate.value, day)
        assert there.source_rate is not None and there.source_rate.value == rate.value
        assert convert(rate.value, "RUB", rate.char_code, day).result == rate.nominal


def test_it_is_rounded_once_half_to_even() -> None:
    store(SATURDAY, USD=(1, "3,0000"), UZS=(10_000, "7,0000"))
    assert convert(Decimal(1), "RUB", "USD").result == Decimal("0.333333333333")
    assert convert(Decimal(2), "RUB", "USD").result == Decimal("0.666666666667")
    assert convert(Decimal("1"), "USD", "UZS").result == Decimal("4285.714285714286")
    assert convert(Decimal("5"), "USD", "USD").result == 5
    assert convert(Decimal("5"), "RUB", "RUB").result == 5
    assert convert(Decimal("123456789012345.123456"), "USD", "RUB").result == Decimal("370370367037035.370368")


def test_both_legs_are_of_one_sheet() -> None:
    """Of March 2026 the recorded series have single currencies, and no whole sheet."""
    load_bundled()
    day = datetime.date(2026, 3, 9)
    found = convert(Decimal(1), "USD", "AUD", day)
    assert found.date == datetime.date(2026, 3, 5)
    with pytest.raises(NoRate) as raised:
        convert(Decimal(1), "USD", "GBP", day)
    assert raised.value.char_code == "GBP"


@pytest.mark.parametrize("codes", [("USD", "XXX"), ("XXX", "USD"), ("RUB", "RUB")])
def test_without_a_rate_it_says_of_what(codes: tuple[str, str]) -> None:
    with pytest.raises(NoRate):
        convert(Decimal(1), *codes)
