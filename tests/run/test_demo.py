"""bin/run --demo: from a fresh checkout to the delivered text, without internet."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.run.conftest import Run

Start = Callable[..., Run]
# Real processes that start three times one after the other, on a busy machine.
pytestmark = pytest.mark.timeout(900)


def test_a_currency_and_then_an_unknown_one(copy: Callable[[], Path], start: Start) -> None:
    folder = copy()

    usd = start(folder, "--demo", "usd")
    assert usd.ended() == 0, usd.output
    assert "1 USD = 75,5273 ₽" in usd.output
    assert "25.04.2026" in usd.output
    steps = ("accepted by the API", "a worker fetches", "a worker tells it", "delivered")
    at = [next(n for n, line in enumerate(usd.lines) if step in line and " s " in line) for step in steps]
    assert at == sorted(at)
    assert not usd.processes()

    unknown = start(folder, "--demo", "XXX")
    assert unknown.ended() == 0, unknown.output
    assert "не найдена" in unknown.output
    assert not unknown.processes()
    assert not (folder / "var" / "run.env").exists()


def test_what_cannot_be_delivered_ends_with_an_error(copy: Callable[[], Path], start: Start) -> None:
    """Nobody speaks the Bot API there with this token: the malformed one is refused for good."""
    run = start(copy(), "--demo", "USD", "--to", "42", BOT_TOKEN="malformed", NOTIFIER_BACKEND="telegram")
    assert run.ended() == 1
    told = run.line("Delivery").split(maxsplit=1)[1]
    assert told == "messages go out by telegram, but none will: BOT_TOKEN is malformed"
    assert "Not delivered: Telegram не принимает BOT_TOKEN" in run.output


def test_arguments_are_checked_before_anything_starts(copy: Callable[[], Path], start: Start) -> None:
    folder = copy()
    for arguments in (["--demo"], ["--demo", "US"], ["--demo="], ["--to", "5"], ["--demo", "USD", "--to", "0"], ["-x"]):
        run = start(folder, *arguments)
        assert run.ended() == 2
        assert len(run.lines) == 1
        assert run.lines[0].startswith("bin/run: ")
    assert not (folder / "var").exists()
    help_ = start(folder, "--help")
    assert help_.ended() == 0
    assert "--demo CODE" in help_.output
