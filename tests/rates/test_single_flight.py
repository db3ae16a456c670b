"""Concurrent misses cause one question to the CBR."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from pytest_django import Settings

from rates.newest import newest
from rates.quotes import NoRates, newest_quote
from tests.standins.cbr import CbrStandin

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
CLIENTS = 12


def all_at_once(cbr: CbrStandin) -> list[Future[bool]]:
    """What each of CLIENTS threads gets that ask for a quote while the CBR's first reply is held back."""
    barrier = Barrier(CLIENTS + 1)

    def ask() -> bool:
        barrier.wait(timeout=10)
        try:
            return newest_quote("USD").fresh
        finally:
            connection.close()

    cbr.gate.clear()
    with ThreadPoolExecutor(CLIENTS) as pool:
        futures = [pool.submit(ask) for _ in range(CLIENTS)]
        barrier.wait(timeout=10)
        cbr.asked.wait(timeout=10)
        cbr.gate.set()
    return futures


def test_one_question_answers_all(cbr: CbrStandin, empty_redis: str) -> None:
    futures = all_at_once(cbr)
    assert [future.result() for future in futures] == [True] * CLIENTS
    assert len(cbr.requests) == 1


def test_one_failure_answers_all(cbr: CbrStandin, empty_redis: str) -> None:
    cbr.mode = "403"
    futures = all_at_once(cbr)
    assert all(isinstance(future.exception(), NoRates) for future in futures)
    assert len(cbr.requests) == 1


def test_without_a_cache_those_who_wait_share_an_answer(cbr: CbrStandin, empty_redis: str, settings: Settings) -> None:
    settings.RATE_CACHE_TTL_SECONDS = 0
    futures = all_at_once(cbr)
    assert [future.result() for future in futures] == [True] * CLIENTS
    assert len(cbr.requests) <= 3


def test_force_asks_although_the_cache_is_full(cbr: CbrStandin, empty_redis: str) -> None:
    newest()
    newest(force=True)
    assert len(cbr.requests) == 2
