"""Long texts are cut where lines end, by Telegram's way of counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.parts import split, units


def test_a_short_text_stays_whole() -> None:
    assert split("a\n\nb") == ["a\n\nb"]


def test_an_emoji_is_two() -> None:
    assert units("🔔я") == 3
    assert [units(part) for part in split("🔔" * 2049)] == [4096, 2]


def test_lines_stay_whole() -> None:
    lines = [f"{number:04} " + "x" * 60 for number in range(200)]
    parts = split("\n".join(lines))
    assert len(parts) == 4
    assert "\n".join(parts).split("\n") == lines


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_nothing_is_no_message(text: str) -> None:
    assert split(text) == []


@given(st.text(alphabet="ab🔔 \n", max_size=200), st.integers(2, 20))
def test_no_part_is_too_long_and_nothing_is_lost(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(0 < units(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
