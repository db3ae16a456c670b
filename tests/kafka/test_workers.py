"""Real worker processes on real brokers: nothing is lost whatever dies, and work is shared."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import chain

from tests.kafka.rig import Rig


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_chains_run_across_queues_beside_idle_ones(rig: Rig, pool: str) -> None:
    rig.start("w1", "--pool", pool)
    results = [chain(rig.trace.clone((number,)), rig.app.signature("second"))() for number in range(20)]
    assert [result.get(timeout=60) for result in results] == list(range(20))
    assert Counter(number for number, _ in rig.traces("ended")) == Counter(range(20))


def test_workers_share_a_queue_and_a_warm_stop_repeats_nothing(
    broker: tuple[str, dict[str, Any]], redis_server: str, name: str, tmp_path: Path
) -> None:
    url, options = broker
    # On a busy machine too nobody's session may end meanwhile: what he had in hand would run twice, and rightly so.
    with closing(Rig(url, {**options, "session_timeout": 16.0}, redis_server, name, tmp_path)) as rig:
        assert [number for number, times in rig.share_until_one_stops().items() if times > 1] == []


def test_a_task_that_a_process_of_the_pool_has_but_not_begun_is_part_of_a_warm_stop(rig: Rig) -> None:
    """Celery forgets it: it runs, its end is never heard of, and its process waits half a minute for that."""
    worker = rig.start("w1", "-c", "1", "-l", "DEBUG")
    rig.wait_member("w1")
    (child,) = psutil.Process(worker.pid).children()
    child.suspend()
    rig.trace.clone((1,)).apply_async()
    rig.wait_for(lambda: "TaskPool: Apply" in rig.log("w1"))
    # It goes to the process in a later turn of the loop than that, but not in a later one than two answers.
    assert all(rig.app.control.ping(timeout=20, limit=1) for _ in range(2))
    worker.terminate()
    rig.wait_for(lambda: "Worker: Stopping Pool" in rig.log("w1"))
    child.resume()
    assert worker.wait(20) == 0
    rig.trace.clone((2,)).apply_async()
    rig.start("w2")
    assert rig.wait_ended(2) == Counter((1, 2))


def test_a_killed_worker_loses_nothing_and_repeats_only_what_was_in_flight(rig: Rig) -> None:
    worker = rig.start("w1")
    for number in range(200):
        rig.trace.clone((number, 0.02)).apply_async()
    rig.wait_for(lambda: len(rig.traces("ended")) > 50)
    rig.kill(worker)
    rig.start("w1")
    ended = rig.wait_ended(200)
    assert set(ended) == set(range(200))
    # 2 running, 8 prefetched, and what ended within the last commit interval.
    assert sum(ended.values()) - 200 <= 16, ended


def test_another_worker_takes_over_from_a_killed_one(rig: Rig) -> None:
    victim = rig.start("w1")
    rig.start("w2")
    rig.wait_member("w1")
    rig.wait_member("w2")
    for number in range(100):
        rig.trace.clone((number, 0.05)).apply_async()
    rig.wait_for(lambda: len(rig.traces("ended")) > 10)
    rig.kill(victim)
    assert set(rig.wait_ended(100)) == set(range(100))


def test_a_task_whose_process_dies_runs_again(rig: Rig) -> None:
    rig.start("w1")
    rig.app.signature("die_once", (7,)).apply_async()
    assert rig.wait_ended(1) == Counter([7])
    assert int(rig.redis.get(f"{rig.queue}:tries:7") or 0) == 2


def test_a_worker_waits_for_a_broker_that_is_not_there_yet_in_one_line_each(
    redis_server: str, name: str, tmp_path: Path
) -> None:
    rig = Rig("kafka://127.0.0.1:1", {"connect_timeout": 1.0}, redis_server, name, tmp_path)
    worker = rig.start("w1")
    rig.wait_for(lambda: "Trying again" in rig.log("w1"))
    rig.stop(worker)
    rig.close()
    assert "no Kafka broker is there: 127.0.0.1:1: Connection refused" in rig.log("w1")
    assert "Traceback" not in rig.log("w1")
