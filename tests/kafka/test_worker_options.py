"""What a worker is told on its command line: which queues, which pool, how many processes, what to throw away."""

from __future__ import annotations

import pytest
from celery import chord

from tests.kafka.feature_queues import settings
from tests.kafka.rig import Rig

WAIT = 40


@pytest.fixture
def options(rig: Rig) -> Rig:
    """Workers and client with all of the queues."""
    rig.module = "tests.kafka.features"
    rig.app.conf.update(settings(rig.queue))
    return rig


def test_subsets_of_queues_and_pools(options: Rig) -> None:
    """One worker has a single queue and a new process for each task, the other all but that and a pool that grows."""
    task = options.app.signature
    red = options.start("w1", "-Q", f"{options.queue}-red", "--max-tasks-per-child", "1", "-c", "1")
    rest = options.start("w2", "-X", f"{options.queue}-red", "--autoscale", "4,1")
    options.wait_member("w2")
    options.wait_for(lambda: "w1@test ready" in options.log("w1"))
    children = [task("who").apply_async(queue=f"{options.queue}-red").get(timeout=WAIT) for _ in range(2)]
    assert len(set(children)) == 2
    naps = [task("nap", (str(number), 1.0)).delay() for number in range(4)]
    assert [nap.get(timeout=WAIT) for nap in naps] == ["0", "1", "2", "3"]
    assert "Scaling up" in options.log("w2")
    assert "-red" in options.log("w1")
    assert "-red" not in options.log("w2")
    # There is no reply to this: the worker goes.
    ended = options.celery("control", "--destination", "w1@test", "shutdown")
    assert red.wait(WAIT) == 0, ended.stdout + ended.stderr
    assert rest.poll() is None


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_retries_chords_and_rejects_on_other_pools(options: Rig, pool: str) -> None:
    task = options.app.signature
    options.start("w1", "--pool", pool)
    total = chord([task("add", (number, 1)) for number in range(5)], task("total")).apply_async()
    retried = task("third_time", ("retried", 0.2)).delay()
    later = task("add", (1, 2)).apply_async(countdown=1)
    again = task("rejected", ("again", True)).delay()
    assert total.get(timeout=WAIT) == 15
    assert retried.get(timeout=WAIT) == 3
    assert later.get(timeout=WAIT) == 3
    assert again.get(timeout=WAIT) == [2, True]


def test_what_waits_can_be_purged(options: Rig) -> None:
    task = options.app.signature
    for _ in range(3):
        task("say", ("purged by the command",)).delay()
    ended = options.celery("purge", "-f")
    assert "Purged 3 messages" in ended.stdout, ended.stdout + ended.stderr
    for _ in range(3):
        task("say", ("purged by the client",)).delay()
    purged: int = options.app.control.purge()
    assert purged == 3
    for _ in range(3):
        task("say", ("purged at the start",)).delay()
    options.start("w1", "--purge")
    options.wait_for(lambda: "w1@test ready" in options.log("w1"))
    assert task("say", ("done",)).delay().get(timeout=WAIT) == "done"
    assert options.notes() == ["done"]
