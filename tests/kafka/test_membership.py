"""Who comes back has its partitions at once, who leaves gives them away at once; both group protocols."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.kafka.rig import Rig

pytestmark = pytest.mark.kafka
#: So long that a test which had to wait for it would fail.
SESSION = 45.0


@pytest.fixture
def broker(kafka: tuple[str, dict[str, Any]], request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    url, options = kafka
    return url, {**options, "session_timeout": SESSION, "protocol": getattr(request, "param", "classic")}


def test_a_worker_that_was_killed_and_comes_back_need_not_wait_for_its_session_to_end(rig: Rig) -> None:
    worker = rig.start("w1")
    for number in range(200):
        rig.trace.clone((number, 0.02)).apply_async()
    rig.wait_for(lambda: len(rig.traces("ended")) > 50)
    rig.kill(worker)
    rig.start("w1")
    assert set(rig.wait_ended(200, SESSION - 10)) == set(range(200))


def test_a_killed_worker_that_comes_back_with_another_queue_has_both_at_once(rig: Rig) -> None:
    second = f"{rig.queue}-second"
    worker = rig.start("w1", "-Q", rig.queue)
    rig.trace.clone((1,)).apply_async()
    rig.wait_ended(1)
    rig.kill(worker)
    rig.start("w1", "-Q", f"{rig.queue},{second}")
    rig.trace.clone((2,)).apply_async()
    rig.trace.clone((3,)).apply_async(queue=second)
    assert set(rig.wait_ended(3, SESSION - 10)) == {1, 2, 3}


def test_of_two_workers_with_one_name_the_older_says_so_and_stops(rig: Rig) -> None:
    older = rig.start("w1")
    rig.wait_member("w1")
    rig.start("w1")
    assert older.wait(30) != 0
    assert "another worker is called 'w1@test' too" in rig.log("w1")
    rig.trace.clone((1,)).apply_async()
    assert rig.wait_ended(1) == Counter([1])


def test_workers_share_a_queue_and_leave_at_once(rig: Rig) -> None:
    assert rig.share_until_one_stops(SESSION - 10) == Counter(range(200))


@pytest.mark.parametrize("broker", ["consumer"], indirect=True)
def test_by_the_newer_protocol_too_though_some_may_run_twice(rig: Rig) -> None:
    assert set(rig.share_until_one_stops(SESSION - 10)) == set(range(200))
