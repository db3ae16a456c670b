"""A broker that goes and comes back: what the log says of it, and that the workers go on, each time."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from project.local.kafka_libs import Missing
from project.local.supervisor import STOP_SECONDS
from tests.kafka.conftest import OPTIONS, TANSU_OPTIONS, skip_without_kafka
from tests.kafka.rig import Rig
from tests.servers import start_kafka, start_tansu
from tests.waiting import stopped

RESTARTS = 10
#: A killed node may come back when its session has ended, 9 s by default.
SETTINGS = {
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
}


def test_a_broker_that_goes_and_comes_back_is_one_line_each(redis_server: str, name: str, tmp_path: Path) -> None:
    broker = start_tansu()
    rig = Rig(f"kafka://{broker.address}", TANSU_OPTIONS, redis_server, name, tmp_path)
    worker = rig.start("w1", "-E")
    try:
        rig.wait_member("w1")
        broker.kill()
        # The session's end: by then each of the worker's clients has tried the broker a hundred times.
        rig.wait_for(lambda: f"{name}: lost" in rig.log("w1"))
        broker.start()
        rig.wait_for(lambda: "is back after" in rig.log("w1"))
    finally:
        rig.kill(worker)
        broker.stop()
        rig.app.close()
    about = re.findall(r"\] (broker .*)", rig.log("w1"))
    assert len(about) == 2, about
    assert about[0].startswith(f"broker {broker.address} is away (Connection refused)")
    assert about[1].startswith(f"broker {broker.address} is back after ")
    assert rig.log("w1").count("refused") == 1
    assert rig.log("w1").count("not sent to") <= 1


@pytest.mark.kafka
@pytest.mark.timeout(600)  # ten starts of Kafka, on a busy machine
def test_workers_go_on_after_each_of_ten_restarts(redis_server: str, name: str, tmp_path: Path) -> None:
    """No second consumer, no silent worker: each queue has one member of each worker, which answers and runs tasks."""
    try:
        broker = start_kafka(settings=SETTINGS)
    except Missing as reason:
        skip_without_kafka(reason)
    rig = Rig(f"kafka://{broker.bootstrap}", {**OPTIONS}, redis_server, name, tmp_path)
    workers = ["w1@test", "w2@test"]
    try:
        rig.start("w1")
        rig.start("w2", "--pool", "threads")
        rig.wait_member("w1")
        rig.wait_member("w2")
        groups = [f"{name}.{name}{suffix}" for suffix in ("", "-second", "-idle-0", "-idle-1", "-idle-2")]
        for restart in range(RESTARTS):
            publish(rig, 4 * restart, seconds=1.0)  # some run while the broker is away
            broker.kill(0)
            broker.restart(0)
            publish(rig, 4 * restart + 2)
            rig.wait_ended(4 * restart + 4)
            rig.wait_for(lambda: all(answers(rig, worker) for worker in workers))
            # Each look starts a Python.
            rig.wait_for(lambda: members(broker.bootstrap, groups) == [workers] * len(groups), every=1.0)
    except AssertionError:  # its log goes with it
        print((broker.folder / "node-1" / "kafka.log").read_text()[-5000:])
        raise
    finally:
        rig.close()
        broker.stop()


@pytest.mark.kafka
def test_a_worker_ends_in_time_where_brokers_hang(redis_server: str, name: str, tmp_path: Path) -> None:
    """Its last commit waits for them, and nothing may wait for that: whoever has sent SIGTERM kills soon."""
    try:
        broker = start_kafka(settings=SETTINGS)
    except Missing as reason:
        skip_without_kafka(reason)
    rig = Rig(f"kafka://{broker.bootstrap}", {"session_timeout": 6.0}, redis_server, name, tmp_path)
    (node,) = broker.processes.values()
    try:
        worker = rig.start("w1")
        rig.wait_member("w1")
        for number in range(30):
            rig.trace.clone((number, 0.1)).apply_async()
        rig.wait_ended(5)
        node.send_signal(signal.SIGSTOP)
        rig.wait_for(lambda: stopped(node.pid))
        worker.terminate()
        assert worker.wait(STOP_SECONDS) == 0
        assert "Traceback" not in rig.log("w1")
    finally:
        node.send_signal(signal.SIGCONT)
        rig.close()
        broker.stop()


def publish(rig: Rig, first: int, seconds: float = 0.0) -> None:
    """Two tasks, each until the broker has it."""
    rig.wait_for(lambda: published(rig, first, seconds))
    rig.wait_for(lambda: published(rig, first + 1, seconds))


def published(rig: Rig, number: int, seconds: float) -> bool:
    try:
        rig.trace.clone((number, seconds)).apply_async(retry=False)
    except OperationalError:
        return False
    return True


def answers(rig: Rig, worker: str) -> bool:
    told: object = rig.app.control.inspect([worker], timeout=5).ping()
    return told == {worker: {"ok": "pong"}}


DESCRIBE = """
import json, sys
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": sys.argv[1], "log_level": 0})
told = [future.result() for future in admin.describe_consumer_groups(sys.argv[2:], request_timeout=5).values()]
print(json.dumps([sorted(one.group_instance_id or one.member_id for one in group.members) for group in told]))
"""


def members(bootstrap: str, groups: list[str]) -> list[list[str]]:
    """The names of each group's members, as far as the broker knows them by now.

    Asked by a process of its own: librdkafka 2.16.1 may abort it where a broker has just gone.
    """
    asked = subprocess.run([sys.executable, "-c", DESCRIBE, bootstrap, *groups], capture_output=True, timeout=60)
    told: list[list[str]] = json.loads(asked.stdout) if asked.returncode == 0 else []
    return told
