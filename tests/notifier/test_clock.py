"""The next time that a clock shows a time of day, where clocks are moved too."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.clock import next_time, zone

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    ["Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Almaty", "Pacific/Apia", "Australia/Lord_Howe"]
)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_today_or_tomorrow() -> None:
    assert next_time(dt.time(9), BERLIN, utc("2026-11-25 07:59")) == utc("2026-11-25 08:00")
    assert next_time(dt.time(9), BERLIN, utc("2026-11-25 08:00")) == utc("2026-11-26 08:00")


def test_the_hour_follows_the_clock_and_not_the_day_of_24_hours() -> None:
    assert next_time(dt.time(9), BERLIN, utc("2026-03-28 08:00")) == utc("2026-03-29 07:00")
    assert next_time(dt.time(9), BERLIN, utc("2026-10-24 07:00")) == utc("2026-10-25 08:00")


def test_a_time_that_does_not_exist_is_as_late_as_it_would_have_been() -> None:
    assert next_time(dt.time(2, 30), BERLIN, utc("2026-03-28 12:00")) == utc("2026-03-29 01:30")
    assert next_time(dt.time(2, 30), BERLIN, utc("2026-03-29 01:30")) == utc("2026-03-30 00:30")


def test_a_time_that_comes_twice_counts_once() -> None:
    assert next_time(dt.time(2, 30), BERLIN, utc("2026-10-24 12:00")) == utc("2026-10-25 00:30")
    assert next_time(dt.time(2, 30), BERLIN, utc("2026-10-25 00:30")) == utc("2026-10-26 01:30")


def test_a_day_that_was_left_out_is_not_told_twice() -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    apia = ZoneInfo("Pacific/Apia")
    first = next_time(dt.time(9), apia, utc("2011-12-29 20:00"))
    second = next_time(dt.time(9), apia, first)
    assert [first, second] == [utc("2011-12-30 19:00"), utc("2011-12-31 19:00")]


@given(
    st.times().map(lambda time: time.replace(second=0, microsecond=0)),
    ZONES,
    st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2035, 1, 1)),
)
def test_it_is_later_soon_and_what_the_clock_shows(at: dt.time, name: str, after: dt.datetime) -> None:
    where, since = ZoneInfo(name), after.replace(tzinfo=dt.UTC)
    found = next_time(at, where, since)
    assert since < found <= since + dt.timedelta(hours=49)
    shown = found.astimezone(where)
    exists = dt.datetime.combine(shown.date(), at, where).astimezone(dt.UTC).astimezone(where).time() == at
    assert shown.time() == at or not exists


@pytest.mark.parametrize(
    ("name", "key"), [("moscow", "Europe/Moscow"), ("UTC", "UTC"), ("new york", "America/New_York")]
)
def test_zones(name: str, key: str) -> None:
    found = zone(name)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize("name", ["", "nowhere", "../etc/passwd"])
def test_no_zones(name: str) -> None:
    assert zone(name) is None
