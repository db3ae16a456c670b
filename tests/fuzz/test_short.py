"""Some cases of what bin/fuzz puts into each door. What the long form finds is a bug, and gets a test of its own."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rates.history import load_bundled
from tests.fuzz import api, records, runner, sheets, updates


def some(inputs: Iterator[runner.Input], count: int, subtests: pytest.Subtests) -> None:
    """So many cases of each."""
    for each in inputs:
        with subtests.test(each.name):
            answered(each, count)


def answered(each: runner.Input, count: int) -> None:
    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(case=each.cases)
    def one(case: Any) -> None:
        assert each.answer(case)

    one()


@pytest.mark.usefixtures("cbr", "empty_redis", "one_transaction")
def test_the_api_keeps_to_its_document(subtests: pytest.Subtests) -> None:
    """All operations: no 5xx, and of each answer the status, the type, the headers and the body as they are told."""
    load_bundled()
    some(api.inputs(), 8, subtests)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.usefixtures("empty_redis")
def test_the_bot_handles_what_people_write(subtests: pytest.Subtests) -> None:
    load_bundled()
    some(updates.inputs(), 60, subtests)


@pytest.mark.parametrize("door", [sheets, records])
def test_what_others_send(door: ModuleType, subtests: pytest.Subtests) -> None:
    some(door.inputs(), 60, subtests)


def test_a_wrong_answer_is_told_with_its_seed_and_the_others_go_on() -> None:
    def odd(case: int) -> str:
        assert case % 2 == 0
        return "even"

    numbers = st.integers(0, 10**6)
    found = runner.run([runner.Input("bad", numbers, odd), runner.Input("good", numbers, str)], 300, 7)
    assert [outcome.failure is None for outcome in found] == [False, True]
    assert found[0].failed_seed == 7
    assert sum(outcome.cases for outcome in found) >= 300
    assert next(line for line in runner.table(found) if line.startswith("| bad")).split("|")[4].strip() == "1"
