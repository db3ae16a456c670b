"""What Celery's tasks can do, on a worker that runs beside all of these tests."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import chord, group
from celery.canvas import Signature, chunks
from celery.exceptions import ChordError, TaskRevokedError, TimeLimitExceeded
from celery.result import AsyncResult

from tests.kafka.conftest import BROKERS, broker_of, new_name
from tests.kafka.feature_queues import settings
from tests.kafka.rig import Rig

WAIT = 40
Task = Callable[..., Signature]


@pytest.fixture(scope="module", params=BROKERS)
def rig(request: pytest.FixtureRequest, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One prefork worker with all of the queues, which the tests share, and a client that knows them."""
    rig = Rig(*broker_of(request), redis_server, new_name(), tmp_path_factory.mktemp("features"))
    rig.module = "tests.kafka.features"
    rig.app.conf.update(settings(rig.queue))
    rig.start("w1", "-E")
    rig.wait_member("w1")
    yield rig
    rig.close()


@pytest.fixture
def task(rig: Rig) -> Task:
    return rig.app.signature


@pytest.fixture
def what(rig: Rig) -> str:
    """What a task of this test says: another one each time."""
    return new_name()


def said(rig: Rig, what: str) -> int:
    return rig.notes().count(what)


def test_countdown_and_eta(rig: Rig, task: Task, what: str) -> None:
    asked = time.time()
    later = task("say_in_time", (what,)).apply_async(countdown=2)
    at = task("say_in_time", (what,)).apply_async(eta=datetime.now(UTC) + timedelta(seconds=1))
    assert task("add", (1, 2)).delay().get(timeout=WAIT) == 3
    assert at.get(timeout=WAIT) >= asked + 1
    assert later.get(timeout=WAIT) >= asked + 2
    assert said(rig, what) == 2


def test_expires(rig: Rig, task: Task, what: str) -> None:
    late = task("say", (what,)).apply_async(expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(TaskRevokedError):
        late.get(timeout=WAIT)
    assert said(rig, what) == 0


def test_retries(task: Task) -> None:
    by_hand = task("third_time", (new_name(), 0.3)).delay()
    at_once = task("third_time", (new_name(), 0)).delay()
    by_itself = task("third_time_by_itself", (new_name(),)).delay()
    assert [by_hand.get(timeout=WAIT), at_once.get(timeout=WAIT), by_itself.get(timeout=WAIT)] == [3, 3, 3]


def test_groups_chords_and_maps(task: Task) -> None:
    adds = [task("add", (number, 1)) for number in range(5)]
    results = [
        group(adds).apply_async(),
        chord(adds, task("total")).apply_async(),
        chord([group(adds) | task("total"), task("add", (1, 1))], task("total")).apply_async(),
        mapped("map", "total", [[1, 2], [3, 4]], task),
        mapped("starmap", "add", [[1, 2], [3, 4]], task),
        (task("add", (1, 1)) | group(task("add", (1,)), task("add", (2,))) | task("total")).apply_async(),
    ]
    assert [result.get(timeout=WAIT) for result in results] == [[1, 2, 3, 4, 5], 15, 17, [3, 7], [3, 7], 7]


def mapped(kind: str, name: str, items: list[Any], task: Task) -> AsyncResult:
    """What `task.map(items)` and `task.starmap(items)` send: the client has no task objects."""
    return task(f"celery.{kind}", kwargs={"task": task(name), "it": items}).apply_async()


def test_chunks(rig: Rig, task: Task) -> None:
    both = chunks(task("add"), [(n, n) for n in range(5)], 2, app=rig.app).apply_async()
    assert both.get(timeout=WAIT) == [[0, 2], [4, 6], [8]]


def test_a_chord_with_an_error_in_its_header(rig: Rig, task: Task, what: str) -> None:
    body = task("total").on_error(task("say", (what,), immutable=True))
    result = chord([task("add", (1, 1)), task("fail")], body).apply_async()
    rig.wait_for(lambda: said(rig, what) == 1 and result.state == "FAILURE")
    assert isinstance(result.result, ChordError)
    assert "as asked" in str(result.result)


def test_links_and_ignored_results(rig: Rig, task: Task, what: str) -> None:
    good = task("add", (1, 2)).apply_async(link=task("say", (f"{what} linked",)))
    assert good.get(timeout=WAIT) == 3
    bad = task("fail").apply_async(link_error=task("say", (f"{what} failed",), immutable=True))
    with pytest.raises(ValueError, match="as asked"):
        bad.get(timeout=WAIT)
    silent = task("silent", (f"{what} silent",)).delay()
    rig.wait_for(lambda: all(said(rig, f"{what} {which}") == 1 for which in ("linked", "failed", "silent")))
    assert task("add", (0,)).delay().get(timeout=WAIT) == 0
    assert silent.state == "PENDING"


def test_a_rejected_task_comes_again_where_it_asks_for_it(rig: Rig, task: Task) -> None:
    again, never = new_name(), new_name()
    task("rejected", (never, False)).delay()
    assert task("rejected", (again, True)).delay().get(timeout=WAIT) == [2, True]
    rig.wait_for(lambda: said(rig, never) == 1)
    assert said(rig, again) == 2


def test_time_limits(rig: Rig, task: Task, what: str) -> None:
    hard, soft = task("stubborn", (what,)).delay(), task("polite").delay()
    assert soft.get(timeout=WAIT) == "in time"
    with pytest.raises(TimeLimitExceeded):
        hard.get(timeout=WAIT)
    assert said(rig, what) == 1


def test_rate_limited_tasks_wait_for_their_turn(rig: Rig, task: Task, what: str) -> None:
    group(task("say_slowly", (what,)) for _ in range(2)).apply_async()
    times: list[float] = []

    def both() -> bool:
        times[:] = [float(note.split()[1]) for note in rig.notes() if note.startswith(f"{what} ")]
        return len(times) == 2

    rig.wait_for(both)
    assert times[1] - times[0] > 1.5


def test_tasks_that_are_acknowledged_early(rig: Rig, task: Task, what: str) -> None:
    for _ in range(20):
        task("say_early", (what,)).delay()
    rig.wait_for(lambda: said(rig, what) == 20)


def test_exchanges_lead_to_queues(rig: Rig, task: Task) -> None:
    direct, topic = f"{rig.queue}-direct", f"{rig.queue}-topic"
    assert task("paint").delay().get(timeout=WAIT) == [direct, "red"]
    assert task("paint").apply_async(routing_key="blue").get(timeout=WAIT) == [direct, "blue"]
    assert task("report").delay().get(timeout=WAIT) == [topic, "news.today.late"]
    named = task("paint").apply_async(queue=f"{rig.queue}-blue")
    assert named.get(timeout=WAIT)[1] in ("blue", "red", f"{rig.queue}-blue")


def test_progress_is_told(task: Task) -> None:
    seen: list[dict[str, Any]] = []
    assert task("progress").delay().get(timeout=WAIT, on_message=seen.append) == "done"
    assert [message["status"] for message in seen][-1] == "SUCCESS"
    assert Counter(message["status"] for message in seen)["PROGRESS"] <= 1


def test_results_can_be_revoked(rig: Rig, task: Task, what: str) -> None:
    running = task("nap", (what, 60)).delay()
    waiting = task("say", (what,)).apply_async(countdown=2)
    rig.wait_for(lambda: said(rig, what) == 1)
    waiting.revoke()
    running.revoke(terminate=True)
    for result in (running, waiting):
        with pytest.raises(TaskRevokedError):
            result.get(timeout=WAIT)
    assert said(rig, what) == 1


def test_publishing_from_many_threads(task: Task) -> None:
    results: list[AsyncResult] = []

    def ask() -> None:
        results.extend(task("add", (number, 1)).delay() for number in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.get(timeout=WAIT) for result in results) == 4 * sum(range(1, 21))
