"""The arithmetic of bin/chaos; nothing is killed here."""

from __future__ import annotations

from collections import Counter

from tests.chaos import report
from tests.chaos.faults import Fault, chosen
from tests.chaos.flow import Accepted, Books, Ends
from tests.chaos.report import Window


def counted(status: str | None, messages: int, possible_repeats: int = 0, code: str = "") -> Window:
    """The window of one accepted request that ended so."""
    books, ends = Books([Accepted("a", 7, 0)]), Ends()
    if status:
        ends = Ends({"a": status}, {"a": code}, {"a": possible_repeats})
    window = Window("a fault", 1.0)
    report.count([window], books, ends, Counter({7: messages}))
    assert window.requests == 1
    return window


def test_one_message_is_as_it_should_be() -> None:
    assert not counted("delivered", 1).broken


def test_what_breaks_a_promise() -> None:
    assert counted("delivered", 0).lost == 1
    assert counted(None, 0).lost == 1  # no row
    assert counted("fetching", 0).stuck == 1
    assert counted("failed", 0, code="time_limit").failed == {"time_limit": 1}
    assert all(counted(*how).broken for how in (("delivered", 0), (None, 0), ("fetching", 0), ("failed", 0)))


def test_a_repeat_is_allowed_where_the_log_counts_it() -> None:
    window = counted("delivered", 2, possible_repeats=1)
    assert (window.repeated, window.uncounted, window.broken) == (1, 0, False)
    window = counted("delivered", 2)
    assert (window.repeated, window.uncounted, window.broken) == (1, 1, True)
    assert counted("delivered", 3, possible_repeats=1).broken


def test_a_recovery_that_never_came_breaks_it() -> None:
    assert Window("a fault", None).broken


def test_the_seed_decides_and_every_fault_has_its_turn() -> None:
    faults = [Fault(name, "killed", lambda: None) for name in ("web", "relay", "beat", "Kafka")]
    plan = [fault.name for fault in chosen(faults, 3, 12)]
    assert plan == [fault.name for fault in chosen(faults, 3, 12)]
    assert plan != [fault.name for fault in chosen(faults, 4, 12)]
    assert {name for name in plan if "+" not in name} == {fault.name for fault in faults}
    assert all(name.count("killed") == 2 for name in plan[2::3])


def test_the_table() -> None:
    rows = report.table([Window("relay killed", 1.25, 40, refused=Counter({"503": 2}))]).splitlines()
    assert rows[0].split()[:3] == ["fault", "requests", "lost"]
    assert rows[1].split() == ["relay", "killed", "40", "0", "0", "0", "0", "0", "2", "503", "1.2", "s"]


def test_what_was_not_run_says_why_and_is_no_success() -> None:
    rows = report.table([Window("jumps of the clock", None, not_run="no libfaketime"), Window("relay killed", 1.0)])
    assert rows.splitlines()[1] == "jumps of the clock  not run: no libfaketime"
