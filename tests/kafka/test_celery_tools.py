"""Celery's own command line from another process, as a user types it, with workers that run beside these tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.bin.base import CLIContext
from celery.bin.control import control, inspect
from click.testing import CliRunner

from tests.kafka.conftest import BROKERS, broker_of, new_name
from tests.kafka.feature_queues import settings
from tests.kafka.rig import Rig
from tests.waiting import eventually

WAIT = 40
BOTH = ("w1", "w2")


@pytest.fixture(scope="module", params=BROKERS)
def rig(request: pytest.FixtureRequest, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two workers: one with all of the queues, one with two of them, without gossip and mingle."""
    url, options = broker_of(request)
    # A task that is due in a minute is to be with a worker.
    rig = Rig(url, {**options, "delay_after": 600.0}, redis_server, new_name(), tmp_path_factory.mktemp("tools"))
    rig.module = "tests.kafka.features"
    rig.app.conf.update(settings(rig.queue))
    rig.start("w1", "-E")
    rig.start("w2", "-E", "-Q", f"{rig.queue},{rig.queue}-all", "--without-gossip", "--without-mingle")
    rig.wait_member("w1")
    rig.wait_member("w2")
    yield rig
    rig.close()


def ask(rig: Rig, method: str, *arguments: str, workers: tuple[str, ...] = BOTH) -> dict[str, Any]:
    """What each worker answers to `celery inspect` or `control`; it ends as soon as the last one did.

    The command itself, without the start of a process: those take longer than the answers.
    """
    destination = ",".join(f"{worker}@test" for worker in workers)
    words = ["--json", "--timeout", "20", "--destination", destination, *arguments]
    context = CLIContext(app=rig.app, no_color=True, workdir=None)
    ended = CliRunner().invoke({"inspect": inspect, "control": control}[method], words, obj=context)
    assert ended.exit_code == 0, ended.output
    replies: Any = json.loads(ended.stdout)
    if isinstance(replies, list):
        replies = {worker: answer for reply in replies for worker, answer in reply.items()}
    assert set(replies) == {f"{worker}@test" for worker in workers}
    return {worker.removesuffix("@test"): answer for worker, answer in replies.items()}


def ids(answers: dict[str, Any]) -> set[str]:
    """Of the tasks in what all workers answer to `inspect active`, `reserved` or `scheduled`."""
    return {task.get("request", task)["id"] for tasks in answers.values() for task in tasks}


def queues(rig: Rig, worker: str) -> list[str]:
    node = f"{worker}@test"
    return [queue["name"] for queue in rig.app.control.inspect([node], timeout=WAIT).active_queues()[node]]


def test_each_question_is_answered_by_every_worker(rig: Rig) -> None:
    napping = rig.app.signature("nap", ("asked", 60.0)).delay()
    later = rig.app.signature("say", ("later",)).apply_async(countdown=60)
    rig.wait_for(lambda: "asked" in rig.notes())
    questions = ("ping", "stats", "registered", "active", "scheduled", "reserved", "active_queues", "conf")
    answers = {what: ask(rig, "inspect", what) for what in questions}
    assert answers["ping"] == {worker: {"ok": "pong"} for worker in BOTH}
    assert {stats["broker"]["transport"] for stats in answers["stats"].values()} == {"kafka"}
    assert all("nap" in registered for registered in answers["registered"].values())
    assert ids(answers["active"]) == {napping.id}
    assert ids(answers["scheduled"]) == {later.id}
    assert ids(answers["reserved"]) == set()
    assert len(answers["active_queues"]["w2"]) == 2
    assert len(answers["active_queues"]["w1"]) == 5
    assert answers["conf"]["w1"]["task_default_queue"] == rig.queue
    ask(rig, "control", "revoke", later.id)
    ask(rig, "control", "terminate", "KILL", napping.id)
    eventually(lambda: napping.state == "REVOKED", WAIT)
    assert ids(ask(rig, "inspect", "active")) == set()
    assert later.id in ask(rig, "inspect", "revoked")["w1"]


def test_without_a_destination_all_answer_within_the_default_timeout(rig: Rig) -> None:
    """A second; on a busy machine one may miss it now and then."""

    def told(command: str) -> bool:
        ended = rig.celery(*command.split())
        return ended.returncode == 0 and all(part in ended.stdout for part in ("w1@test", "w2@test", "2 nodes online"))

    eventually(lambda: told("status"), WAIT)
    eventually(lambda: told("inspect ping"), WAIT)
    nobody = rig.celery("inspect", "ping", "--timeout", "0.5", "--destination", "nobody@test")
    assert nobody.returncode != 0
    assert "No nodes replied within time constraint" in nobody.stderr


def test_quick_questions_one_after_the_other_are_all_answered(rig: Rig) -> None:
    """Each brings a new reply queue, which the worker must look for although it has just looked."""
    asking = rig.app.control.inspect(["w1@test"], timeout=WAIT)
    for _ in range(30):
        assert asking.ping() == {"w1@test": {"ok": "pong"}}


def test_a_command_that_has_ended_leaves_nothing_behind(rig: Rig) -> None:
    """It doesn't close its connection, and the table of bindings would grow with each question."""

    def reply_queues() -> set[str]:
        with rig.app.connection_for_read() as connection:
            rows = connection.default_channel._bindings.of("", missed=True)
        return {row.queue for row in rows if "reply" in row.queue}

    before = reply_queues()
    asked = rig.celery("inspect", "ping", "--timeout", str(WAIT), "--destination", "w1@test,w2@test")
    assert asked.returncode == 0, asked.stderr
    assert reply_queues() - before == set()


def test_queues_come_and_go(rig: Rig) -> None:
    extra = f"{rig.queue}-extra"
    ask(rig, "control", "add_consumer", extra, workers=("w2",))
    eventually(lambda: extra in queues(rig, "w2"), WAIT)  # the answer is given first
    result = rig.app.signature("add", (1, 2)).apply_async(exchange="", routing_key=extra)
    assert result.get(timeout=WAIT) == 3
    ask(rig, "control", "cancel_consumer", extra, workers=("w2",))
    eventually(lambda: extra not in queues(rig, "w2"), WAIT)
    waiting = rig.app.signature("add", (3, 4)).apply_async(exchange="", routing_key=extra)
    ask(rig, "control", "add_consumer", extra, workers=("w1",))
    assert waiting.get(timeout=WAIT) == 7
    ask(rig, "control", "cancel_consumer", extra, workers=("w1",))


def test_pools_and_limits_change(rig: Rig) -> None:
    ask(rig, "control", "pool_grow", "2", workers=("w2",))
    ask(rig, "control", "rate_limit", "say_slowly", "7/m")
    ask(rig, "control", "time_limit", "say_slowly", "30", "60")
    asking = rig.app.control.inspect(["w2@test"], timeout=WAIT)
    eventually(lambda: len(asking.stats()["w2@test"]["pool"]["processes"]) == 4, WAIT)
    assert "say_slowly [rate_limit=7/m]" in ask(rig, "inspect", "registered", workers=("w1",))["w1"]


def test_every_worker_runs_what_is_broadcast(rig: Rig) -> None:
    rig.app.signature("everywhere", ("heard",)).delay()
    expected = {f"heard {worker.pid}" for worker in rig.workers}
    rig.wait_for(lambda: {note for note in rig.notes() if note.startswith("heard ")} == expected)
    assert len([note for note in rig.notes() if note.startswith("heard ")]) == 2


def test_events_are_dumped(rig: Rig, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "celery", "-A", rig.module, "events", "--dump"]
    printed = tmp_path / "events.txt"
    with printed.open("wb") as out:
        dump = subprocess.Popen(command, env=rig.process_environment(), stdout=out, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: "] heartbeat: " in printed.read_text(), WAIT)

        def succeeded() -> bool:
            """Events are not kept: a worker that has not heard of the monitor yet sends it none."""
            rig.app.signature("add", (20, 22)).apply_async(task_id="dumped").get(timeout=WAIT)
            return all(f"task {what}: add(dumped)" in printed.read_text() for what in ("received", "succeeded"))

        eventually(succeeded, WAIT, every=0.5)
    finally:
        dump.terminate()
        dump.wait(WAIT)
    assert "task received: add(dumped) args=(20, 22)" in printed.read_text()
