"""The result backend: results and chords work, and Redis being away costs neither a POST nor a task."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chord
from celery.contrib.testing.worker import start_worker

from project.celery import app as service
from project.results import RedisBackend

# Celery 5.7 uses calls that redis-py 8 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

NOBODY = "redis://127.0.0.1:9/0"


def add(a: int, b: int) -> int:
    return a + b


def total(numbers: list[int]) -> int:
    return sum(numbers)


def make_app(url: str) -> Celery:
    app = Celery("results", broker="memory://", backend=f"project.results:RedisBackend+{url}", set_as_current=False)
    app.conf.update(
        broker_transport_options={"polling_interval": 0.02},
        redis_socket_connect_timeout=1.0,
        task_default_queue="results-test",
    )
    # Unshared: the project's application must not get them.
    app.task(name="add", shared=False)(add)
    app.task(name="total", shared=False)(total)
    return app


@pytest.fixture(scope="module")
def app(redis_server: str) -> Iterator[Celery]:
    made = make_app(redis_server)
    with start_worker(made, perform_ping_check=False, pool="solo"):
        yield made
    service.set_default()  # a worker makes its application the default of all threads


def test_a_result_can_be_waited_for(app: Celery) -> None:
    assert isinstance(app.backend, RedisBackend)
    assert app.tasks["add"].delay(1, 2).get(timeout=10) == 3


def test_a_result_that_is_there_already(app: Celery) -> None:
    first = app.tasks["add"].delay(1, 2)
    first.get(timeout=10)
    assert app.AsyncResult(first.id).get(timeout=10) == 3


def test_chords(app: Celery) -> None:
    header = [app.tasks["add"].s(n, n) for n in range(5)]
    assert chord(header, app=app)(app.tasks["total"].s()).get(timeout=20) == 20


def test_publishing_asks_redis_nothing() -> None:
    app = make_app(NOBODY)
    begun = time.monotonic()
    app.tasks["add"].delay(1, 2)
    assert time.monotonic() - begun < 1


def test_a_result_that_can_not_be_stored_is_told_and_dropped(caplog: Any) -> None:
    backend = make_app(NOBODY).backend
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="project.results"):
        assert backend.store_result("some-id", 3, "SUCCESS") == 3
    assert time.monotonic() - begun < 5
    (record,) = [one for one in caplog.records if one.name == "project.results"]
    assert record.getMessage().startswith("the result of task some-id (SUCCESS) is not stored: ")
