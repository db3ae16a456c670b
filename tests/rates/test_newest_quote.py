"""A quote: from the cache, from the CBR or from what is stored, and it says which."""

import datetime
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
import redis
import time_machine
from pytest_django import Settings

from rates import cache, newest
from rates.models import CbrContact
from rates.quotes import NoRates, Quote, UnknownCurrency, newest_quote
from rates.sheets import parse_sheet
from rates.store import is_fresh, newest_stored_sheet, save_sheet
from tests.standins.cbr import CbrStandin, recorded_sheets, wire_sheet

pytestmark = pytest.mark.django_db
DAY, OLD_DAY = datetime.date(2026, 4, 25), datetime.date(2016, 12, 9)
FAILURES = ["403", "500", "splash", "cut", "empty", "error", "utf8", "bomb"]


@pytest.fixture(autouse=True)
def _cbr_and_redis(cbr: CbrStandin, empty_redis: str) -> Iterator[None]:
    yield


def store_old_sheet() -> None:
    save_sheet(parse_sheet(recorded_sheets()[OLD_DAY]))


def test_a_quote_has_what_the_sheet_says() -> None:
    quote = newest_quote("UZS")
    assert quote == Quote("UZS", "Узбекских сумов", "Uzbekistan Sum", 10_000, Decimal("62.8322"), DAY, True)
    assert f"{quote.unit_value:f}" == "0.00628322"
    assert quote.to_json() == {
        "char_code": "UZS",
        "name": "Узбекских сумов",
        "name_en": "Uzbekistan Sum",
        "nominal": 10_000,
        "value": "62.8322",
        "unit_value": "0.00628322",
        "date": "2026-04-25",
        "fresh": True,
    }
    assert Quote.from_json(quote.to_json()) == quote


def test_quotes_of_all_currencies_ask_the_cbr_once_and_keep_the_sheet(cbr: CbrStandin) -> None:
    sheet = parse_sheet(recorded_sheets()[DAY])
    for rate in sheet.rates:
        assert newest_quote(rate.char_code).value == rate.value
    assert len(cbr.requests) == 1
    stored = newest_stored_sheet()
    assert stored is not None
    assert set(stored.rates) == set(sheet.rates)
    assert is_fresh()


def test_the_cache_ends_after_its_time(cbr: CbrStandin, empty_redis: str, settings: Settings) -> None:
    settings.RATE_CACHE_TTL_SECONDS = 60
    newest_quote("USD")
    with redis.Redis.from_url(empty_redis) as client:
        assert 50_000 < client.pttl(cache.ANSWER_KEY) <= 60_000
        client.delete(cache.ANSWER_KEY)
    newest_quote("USD")
    assert len(cbr.requests) == 2


def test_a_time_of_zero_is_no_cache(cbr: CbrStandin, settings: Settings) -> None:
    settings.RATE_CACHE_TTL_SECONDS = 0
    newest_quote("USD")
    newest_quote("USD")
    assert len(cbr.requests) == 2


def test_an_unknown_code_tells_which_sheet_lacks_it() -> None:
    with pytest.raises(UnknownCurrency) as caught:
        newest_quote("XXX")
    assert (caught.value.char_code, caught.value.date, caught.value.fresh) == ("XXX", DAY, True)


@pytest.mark.parametrize("mode", FAILURES)
def test_when_the_cbr_fails_the_stored_sheet_serves_and_says_so(cbr: CbrStandin, mode: str) -> None:
    store_old_sheet()
    cbr.mode = mode
    quote = newest_quote("USD")
    assert (quote.date, quote.value, quote.fresh) == (OLD_DAY, Decimal("63.3901"), False)
    assert not is_fresh()
    assert CbrContact.objects.get().error


@pytest.mark.parametrize("mode", FAILURES)
def test_with_nothing_stored_the_reason_is_told(cbr: CbrStandin, mode: str) -> None:
    cbr.mode = mode
    with pytest.raises(NoRates, match="the CBR"):
        newest_quote("USD")


def test_a_cbr_that_fails_is_not_asked_by_every_request(cbr: CbrStandin, empty_redis: str) -> None:
    cbr.mode = "403"
    for _ in range(3):
        with pytest.raises(NoRates):
            newest_quote("USD")
    assert len(cbr.requests) == 1
    with redis.Redis.from_url(empty_redis) as client:
        assert 0 < client.pttl(cache.ANSWER_KEY) <= 30_000


def test_a_cbr_that_recovers_is_believed(cbr: CbrStandin) -> None:
    store_old_sheet()
    cbr.mode = "500"
    assert not newest_quote("USD").fresh
    cbr.mode = "ok"
    cache.forget()
    assert (newest_quote("USD").date, newest_quote("USD").fresh) == (DAY, True)
    assert CbrContact.objects.get().error == ""


def test_a_sheet_newer_than_the_cbrs_reply_serves(cbr: CbrStandin) -> None:
    tomorrow = DAY + datetime.timedelta(1)
    save_sheet(parse_sheet(wire_sheet(tomorrow, [("R01235", "840", "USD", 1, "Доллар США", "76,0000")])))
    quote = newest_quote("USD")
    assert (quote.date, quote.value, quote.fresh) == (tomorrow, Decimal("76.0000"), True)


def test_a_correction_by_the_cbr_is_taken(cbr: CbrStandin) -> None:
    newest_quote("USD")
    cbr.sheets[DAY] = wire_sheet(DAY, [("R01235", "840", "USD", 1, "Доллар США", "76,0000")])
    cache.forget()
    assert newest_quote("USD").value == Decimal("76.0000")
    with pytest.raises(UnknownCurrency):
        newest_quote("EUR")


@pytest.mark.parametrize("rubbish", [b"{", b"[]", b'{"date": null}', b'{"date": "x", "rates": []}'])
def test_rubbish_in_the_cache_counts_as_nothing(empty_redis: str, rubbish: bytes) -> None:
    with redis.Redis.from_url(empty_redis) as client:
        client.set(cache.ANSWER_KEY, rubbish)
    assert newest_quote("USD").fresh


def test_without_redis_quotes_work_and_the_cbr_is_asked_once_a_minute(cbr: CbrStandin, no_redis: None) -> None:
    assert newest_quote("USD").fresh
    assert newest_quote("EUR").fresh
    assert len(cbr.requests) == 1
    with time_machine.travel(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=61)):
        newest_quote("USD")
    assert len(cbr.requests) == 2


def test_without_redis_and_cbr_the_stored_sheet_serves(cbr: CbrStandin, no_redis: None) -> None:
    store_old_sheet()
    cbr.mode = "403"
    assert newest_quote("USD").date == OLD_DAY
    assert not newest_quote("USD").fresh
    assert len(cbr.requests) == 1


def test_another_process_that_asks_too_long_is_not_waited_for(
    cbr: CbrStandin, empty_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_old_sheet()
    monkeypatch.setattr("rates.newest.WAIT_SECONDS", 0.1)
    with cache.single_flight(0.1) as flight:
        assert flight is cache.Flight.LEADER
        assert (newest_quote("USD").date, newest_quote("USD").fresh) == (OLD_DAY, False)
    assert cbr.requests == []
    assert newest_quote("USD").fresh


def test_nobody_waits_behind_those_who_have_waited(cbr: CbrStandin, empty_redis: str) -> None:
    """A slow CBR holds up a worker's processes once, not each task for as long as the question takes."""
    store_old_sheet()
    with cache.single_flight(0.1), redis.Redis.from_url(empty_redis) as another:
        another.pexpire(cache.LOCK_KEY, int((cache.LOCK_SECONDS - newest.WAIT_SECONDS) * 1000))  # so long ago
        started = time.monotonic()
        for _ in range(5):
            assert not newest_quote("USD").fresh
        assert time.monotonic() - started < newest.WAIT_SECONDS
    assert cbr.requests == []
