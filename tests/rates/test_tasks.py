"""The tasks: found, not found, tried again, given up."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from celery.exceptions import Retry
from django.db import OperationalError

from rates.cbr import CbrUnavailable
from rates.changes import with_changes
from rates.models import StoredSheet
from rates.quotes import NoRates, Quote
from rates.schedule import DAY
from rates.sheets import parse_sheet
from rates.store import add_sheet, newest_stored_date
from rates.tasks import fetch_rate, prewarm
from tests.standins.cbr import CbrStandin, wire_sheet

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _cbr_and_redis(cbr: CbrStandin, empty_redis: str) -> None:
    pass


def test_a_found_rate_is_plain_data() -> None:
    result = fetch_rate.apply(args=("USD", "request-1")).get()
    assert result["found"] is True
    quote = Quote.from_json(result["quote"])
    assert (quote.char_code, str(quote.value), quote.date) == ("USD", "75.5273", datetime.date(2026, 4, 25))


def test_a_code_that_the_sheet_lacks_is_an_answer_too() -> None:
    assert fetch_rate.apply(args=("XXX", "request-1")).get() == {
        "found": False,
        "char_code": "XXX",
        "date": "2026-04-25",
        "fresh": True,
    }


def test_without_rates_it_tries_again_and_then_says_why(cbr: CbrStandin) -> None:
    cbr.mode = "403"
    result = fetch_rate.apply(args=("USD", "request-1"))
    assert isinstance(result.result, NoRates)
    assert "status 403" in str(result.result)


@pytest.mark.parametrize(
    ("task", "error"),
    [(fetch_rate, NoRates("nothing")), (fetch_rate, OperationalError("locked")), (prewarm, CbrUnavailable("403"))],
)
def test_what_may_pass_is_tried_again_later_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, task: Any, error: Exception
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("rates.tasks.newest_quote", fail)
    monkeypatch.setattr("rates.tasks.newest", fail)
    args = ("USD", "request-1") if task is fetch_rate else ()
    countdowns = []
    for retries in range(task.max_retries):
        task.push_request(args=args, retries=retries, is_eager=False, called_directly=False, id="1")
        monkeypatch.setattr(task, "apply_async", lambda *args, **options: None)
        try:
            with pytest.raises(Retry) as caught:
                task.run(*args)
        finally:
            task.pop_request()
        assert caught.value.when is not None
        countdowns.append(caught.value.when)
    assert all(0 <= countdown <= 60 for countdown in countdowns)
    task.push_request(args=args, retries=task.max_retries, is_eager=False, called_directly=False, id="1")
    try:
        with pytest.raises(type(error)):
            task.run(*args)
    finally:
        task.pop_request()


FRIDAY, SATURDAY = datetime.date(2026, 4, 24), datetime.date(2026, 4, 25)


@pytest.fixture
def friday(cbr: CbrStandin) -> None:
    """The Bank has the sheet before the recorded one too."""
    cbr.sheets[FRIDAY] = wire_sheet(FRIDAY, [("R01235", "840", "USD", 100, "Доллар США", "7500,0000")])


def asked_days(cbr: CbrStandin) -> list[str | None]:
    return [asked.query.get("date_req") for asked in cbr.requests]


def test_prewarm_asks_the_cbr_whatever_is_cached(cbr: CbrStandin, friday: None) -> None:
    assert prewarm.apply().get() == "2026-04-25: 54 rates"
    assert prewarm.apply().get() == "2026-04-25: 54 rates"
    assert asked_days(cbr) == [None, "24/04/2026", None]
    assert newest_stored_date() == SATURDAY


def test_after_the_first_prewarming_changes_are_known(cbr: CbrStandin, friday: None) -> None:
    prewarm.apply().get()
    (usd,) = with_changes(codes=["USD"])
    assert (usd.previous_date, usd.absolute) == (FRIDAY, Decimal("0.5273"))


def test_a_sheet_before_that_does_not_come_is_asked_for_the_next_time(cbr: CbrStandin) -> None:
    """Neither `error in parameters` nor a sheet that is none of that time fails the prewarming."""
    cbr.sheets = {SATURDAY: cbr.sheets[SATURDAY]}
    prewarm.apply().get()
    prewarm.apply().get()
    assert asked_days(cbr) == [None, "24/04/2026"] * 2
    assert [sheet.date for sheet in StoredSheet.objects.all()] == [SATURDAY]


def test_after_a_day_without_us_the_sheet_of_that_day_is_fetched(cbr: CbrStandin, friday: None) -> None:
    """Thursday's is stored, but a change since Thursday is no change since the sheet before."""
    add_sheet(parse_sheet(wire_sheet(FRIDAY - DAY, [("R01235", "840", "USD", 1, "Доллар США", "70,0000")])))
    prewarm.apply().get()
    (usd,) = with_changes(codes=["USD"])
    assert usd.previous_date == FRIDAY


def test_a_holiday_that_was_moved_is_not_asked_for_again_and_again(cbr: CbrStandin) -> None:
    """Asked for Friday's the Bank answers with the sheet that was in force, Thursday's."""
    thursday = FRIDAY - DAY
    cbr.sheets[thursday] = wire_sheet(thursday, [("R01235", "840", "USD", 1, "Доллар США", "75,0000")])
    for _ in range(3):
        prewarm.apply().get()
    assert asked_days(cbr) == [None, "24/04/2026", None, None]


def test_a_prewarmed_rate_needs_no_question(cbr: CbrStandin) -> None:
    prewarm.apply().get()
    asked = len(cbr.requests)
    fetch_rate.apply(args=("USD", "request-1")).get()
    assert len(cbr.requests) == asked


def test_prewarm_fails_when_the_cbr_does(cbr: CbrStandin) -> None:
    cbr.mode = "splash"
    assert isinstance(prewarm.apply().result, CbrUnavailable)
