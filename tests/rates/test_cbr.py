"""Asking the CBR: a sheet, or within bounds of time and size a reason why not."""

import datetime
import time
import tracemalloc

import pytest
from pytest_django import Settings

from rates.cbr import CbrUnavailable, fetch_sheet, transfer_bound
from tests.standins.cbr import CbrStandin, huge_packed


def test_it_asks_for_the_newest_sheet_and_says_who_asks(cbr: CbrStandin, settings: Settings) -> None:
    settings.CBR_USER_AGENT = "rates (+mailto:somebody@example.org)"
    sheet = fetch_sheet()
    assert (sheet.date, len(sheet.rates)) == (datetime.date(2026, 4, 25), 54)
    (asked,) = cbr.requests
    assert (asked.path, asked.query) == ("/scripts/XML_daily.asp", {})
    assert asked.headers["User-Agent"] == settings.CBR_USER_AGENT


def test_the_address_may_lack_its_last_slash(cbr: CbrStandin, settings: Settings) -> None:
    settings.CBR_URL = cbr.url.rstrip("/")
    assert fetch_sheet().date == datetime.date(2026, 4, 25)


@pytest.mark.parametrize("mode", ["gzip", "redirect"])
def test_packed_and_moved_replies_are_read(cbr: CbrStandin, mode: str) -> None:
    cbr.mode = mode
    assert len(fetch_sheet().rates) == 54


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("403", "status 403"),
        ("500", "status 500"),
        ("splash", "HTML page"),
        ("cut", "cut off"),
        ("short", "IncompleteRead"),
        ("empty", "empty"),
        ("error", "Error in parameters"),
        ("utf8", "wrong encoding"),
        ("large", "larger than"),
        ("bomb", "larger than"),
    ],
)
def test_anything_but_a_sheet_is_refused_with_its_reason(cbr: CbrStandin, mode: str, reason: str) -> None:
    cbr.mode = mode
    with pytest.raises(CbrUnavailable, match=reason):
        fetch_sheet()


def test_a_reply_that_never_starts_is_given_up(cbr: CbrStandin, settings: Settings) -> None:
    settings.CBR_READ_TIMEOUT_SECONDS = 0.2
    cbr.mode = "slow"
    with pytest.raises(CbrUnavailable, match="Timeout"):
        fetch_sheet()


def test_a_reply_that_trickles_is_given_up(cbr: CbrStandin, settings: Settings) -> None:
    settings.CBR_CONNECT_TIMEOUT_SECONDS = settings.CBR_READ_TIMEOUT_SECONDS = 0.3
    cbr.mode = "trickle"
    start = time.monotonic()
    with pytest.raises(CbrUnavailable, match="too long"):
        fetch_sheet()
    assert time.monotonic() - start < transfer_bound() + settings.CBR_READ_TIMEOUT_SECONDS + 1


def test_nobody_there_is_told_as_that(settings: Settings) -> None:
    settings.CBR_URL = "http://127.0.0.1:1/scripts/"
    with pytest.raises(CbrUnavailable, match="can't be reached"):
        fetch_sheet()


def test_a_packed_bomb_is_not_unpacked(cbr: CbrStandin) -> None:
    huge_packed()
    cbr.mode = "bomb"
    tracemalloc.start()
    try:
        with pytest.raises(CbrUnavailable, match="larger than"):
            fetch_sheet()
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_the_size_cap_is_a_setting(cbr: CbrStandin, settings: Settings) -> None:
    settings.CBR_MAX_BYTES = 9515
    with pytest.raises(CbrUnavailable, match="larger than 9515"):
        fetch_sheet()
    settings.CBR_MAX_BYTES = 9516
    assert len(fetch_sheet().rates) == 54
