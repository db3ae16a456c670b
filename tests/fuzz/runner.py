"""What is put in, how often, and what came of it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

# Cases that are made with one seed: hypothesis remembers them all, to make none twice.
BATCH = 500


@dataclass(frozen=True)
class Input:
    """`answer` puts one of `cases` in and returns the outcome's name; it raises where that is none that may be."""

    name: str
    cases: SearchStrategy[Any]
    answer: Callable[[Any], str]


@dataclass
class Outcome:
    """What came of one input so far; `failure` and the seed that makes it again end it."""

    input: Input
    answers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failure: BaseException | None = None
    failed_seed: int | None = None

    @property
    def cases(self) -> int:
        return self.answers.total()


def run(inputs: Sequence[Input], cases: int, first_seed: int) -> list[Outcome]:
    """So many cases in all, the inputs in turn; those that have no more of them, or failed, leave it to the others."""
    outcomes = [Outcome(each) for each in inputs]
    left = list(outcomes)
    for number in itertools.count(first_seed):
        missing = cases - sum(outcome.cases for outcome in outcomes)
        if missing <= 0 or not left:
            break
        share = min(BATCH, -(-missing // len(left)))
        left = [outcome for outcome in left if _batch(outcome, share, number)]
    return outcomes


def _batch(outcome: Outcome, count: int, number: int) -> bool:
    """Whether there may be more."""
    before, began = outcome.cases, time.monotonic()

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=outcome.input.cases)
    def each(case: Any) -> None:
        outcome.answers[outcome.input.answer(case)] += 1

    try:
        each()
    except (Exception, BaseExceptionGroup) as failure:  # noqa: BLE001  (whatever it is, it is what was looked for)
        outcome.failure, outcome.failed_seed = failure, number
    outcome.seconds += time.monotonic() - began
    return outcome.failure is None and outcome.cases - before >= count


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield "| input | cases | answers | failures | s |"
    yield "|---|--:|---|--:|--:|"
    for outcome in outcomes:
        answers = ", ".join(f"{name} × {count:,}" for name, count in sorted(outcome.answers.items()))
        failures = int(outcome.failure is not None)
        yield f"| {outcome.input.name} | {outcome.cases:,} | {answers} | {failures} | {outcome.seconds:.0f} |"
    total = sum(outcome.cases for outcome in outcomes)
    failures = sum(outcome.failure is not None for outcome in outcomes)
    yield f"| **all** | **{total:,}** | | **{failures}** | {sum(outcome.seconds for outcome in outcomes):.0f} |"
