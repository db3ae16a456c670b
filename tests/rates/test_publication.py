"""When sheets are expected, and what is missing."""

import datetime

import pytest
import time_machine

from rates.schedule import MOSCOW, expected_sheet, next_publication
from rates.sheets import parse_sheet
from rates.status import status
from rates.store import note_contact, save_sheet
from tests.standins.cbr import wire_sheet


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=MOSCOW)


@pytest.mark.parametrize(
    ("now", "then", "newest"),
    [
        ("2026-11-25T15:29:59", "2026-11-25T15:30", "2026-11-25"),
        ("2026-11-25T15:30", "2026-11-26T15:30", "2026-11-26"),
        ("2026-11-27T18:00", "2026-11-30T15:30", "2026-11-28"),
        ("2026-11-29T12:00", "2026-11-30T15:30", "2026-11-28"),
        ("2026-12-31T16:00", "2027-01-11T15:30", "2027-01-01"),
        ("2026-11-04T16:00", "2026-11-05T15:30", "2026-11-04"),
    ],
)
def test_the_next_sheet_is_expected_after_half_past_three_on_working_days(now: str, then: str, newest: str) -> None:
    assert next_publication(at(now)) == at(then)
    assert expected_sheet(at(now)) == datetime.date.fromisoformat(newest)


def test_it_takes_any_zone() -> None:
    assert next_publication(at("2026-11-25T15:00").astimezone(datetime.UTC)) == at("2026-11-25T15:30")


def store(day: str) -> None:
    rows = [("R01235", "840", "USD", 1, "Доллар США", "80,0000")]
    save_sheet(parse_sheet(wire_sheet(datetime.date.fromisoformat(day), rows)))


@pytest.mark.django_db
def test_the_status_tells_what_is_missing() -> None:
    with time_machine.travel(at("2026-11-25T12:00"), tick=False) as clock:
        empty = status()
        assert (empty.newest_date, empty.age_days, empty.asked_at, empty.missed) == (None, None, None, [])
        store("2026-11-20")
        store("2026-11-24")
        note_contact(at("2026-11-25T11:00"), "the CBR answers with status 403")
        found = status()
        assert (found.newest_date, found.age_days) == (datetime.date(2026, 11, 24), 1)
        assert (found.asked_at, found.answered_at) == (at("2026-11-25T11:00"), None)
        assert found.error == "the CBR answers with status 403"
        assert found.missed == [datetime.date(2026, 11, 21), datetime.date(2026, 11, 25)]
        # Tomorrow's is due, and not yet late.
        clock.move_to(at("2026-11-25T18:59"))
        assert datetime.date(2026, 11, 26) not in status().missed
        clock.move_to(at("2026-11-25T19:00"))
        assert datetime.date(2026, 11, 26) in status().missed
