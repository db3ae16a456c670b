"""Sources of figures: bounded, shared, kept for a moment."""

import itertools
import threading

from kombu.exceptions import OperationalError

from project.pipeline import Source


def test_many_pages_are_one_question() -> None:
    asked = itertools.count(1)
    source = Source("test", lambda: next(asked))
    assert {source.get() for _ in range(20)} == {1}
    source.forget()
    assert source.get() == 2


def test_a_source_that_does_not_answer_is_unknown_and_asked_once() -> None:
    answer, asked = threading.Event(), []

    def slow() -> str:
        asked.append(1)
        answer.wait(30)
        return "late"

    source = Source("test", slow, patience=0.05)
    assert source.get() is None
    assert source.get() is None
    running = source.begin()
    answer.set()
    assert running is not None
    assert running.result(10) == "late"
    assert source.get() == "late"
    assert asked == [1]


def test_a_source_that_is_away_is_unknown() -> None:
    def away() -> str:
        raise OperationalError("no broker")

    assert Source("test", away).get() is None
