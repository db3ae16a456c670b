"""`celery kafka …`: what an operator sees and does, through Celery's own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from kombu import Connection, Exchange, Queue

from project.kafka.cli import kafka as command
from project.kafka.records import DEAD_ORIGIN, DEAD_REASON, Headers
from project.local.ports import free_port
from tests.kafka.conftest import TANSU_OPTIONS, publish, receive
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """An application with topics of its own, and its command line."""

    def __init__(self, url: str, options: dict[str, Any], name: str) -> None:
        self.queue = "work"
        self.options = {**options, "topic_prefix": f"{name}.", "delivery_limit": 1}
        self.topic = f"{name}.{self.queue}"
        self.app = Celery("site", broker=url, set_as_current=False)
        self.app.conf.update(broker_transport_options=self.options, task_default_queue=self.queue)
        self.url = url
        self.opened: list[Connection] = []

    def run(self, *arguments: str, input: str | None = None) -> Result:
        context = CLIContext(app=self.app, no_color=True, workdir=None)
        return CliRunner().invoke(command, arguments, obj=context, input=input)

    def json(self, *arguments: str) -> Any:
        ended = self.run(*arguments, "--json")
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.stdout)

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.app.send_task("add", (number,), task_id=f"task-{number}")

    def connection(self, **options: Any) -> Connection:
        self.opened.append(Connection(self.url, transport_options={**self.options, **options}))
        return self.opened[-1]

    def close(self) -> None:
        for connection in self.opened:
            connection.close()
        self.app.close()

    @property
    def kombu_queue(self) -> Queue:
        return self.app.amqp.queues[self.queue]

    def kill(self, *numbers: int) -> list[str]:
        """Publish tasks that end in the dead letters; their ids there, in order."""
        self.publish(*numbers)
        with self.connection() as connection:
            for message in receive(connection, self.kombu_queue, len(numbers)):
                message.reject(requeue=True)

            def dead() -> bool:
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    pass
                return connection.default_channel._size(f"{self.queue}.dead") == len(numbers)

            eventually(dead, 30)
        letters = {letter["task_id"]: letter["id"] for letter in self.json("dead", "list", self.queue)}
        return [letters[f"task-{number}"] for number in numbers]


@pytest.fixture
def site(quick_broker: tuple[str, dict[str, Any]], name: str) -> Iterator[Site]:
    site = Site(*quick_broker, name)
    yield site
    site.close()


@pytest.fixture
def kafka_site(kafka: tuple[str, dict[str, Any]], name: str) -> Iterator[Site]:
    site = Site(*kafka, name)
    yield site
    site.close()


def test_topics_are_listed_with_their_kind_and_length(site: Site) -> None:
    site.kill(1, 2)
    site.publish(3, 4, 5)
    rows = {row["topic"]: row for row in site.json("topics")}
    assert rows[site.topic] == {
        "topic": site.topic,
        "kind": "queue",
        "queue": site.queue,
        "partitions": 8,
        "length": 3,
    }
    assert (rows[f"{site.topic}.dead"]["kind"], rows[f"{site.topic}.dead"]["length"]) == ("dead letters", 2)
    assert rows[site.topic.replace("work", "celery.bindings")]["kind"] == "bindings"
    assert {row["kind"] for row in rows.values()} == {"queue", "dead letters", "bindings"}
    site.app.send_task("add", (6,), countdown=3600)
    assert sum(row["length"] for row in site.json("topics") if row["kind"] == "delay") == 1
    printed = site.run("topics").stdout.splitlines()
    assert printed[0].split() == ["TOPIC", "KIND", "QUEUE", "PARTITIONS", "LENGTH"]
    assert any(line.split() == [site.topic, "queue", "work", "8", "3"] for line in printed)


def test_lag_tells_what_is_unfinished_and_who_has_it(site: Site) -> None:
    site.publish(*range(12))
    untouched = site.json("lag", site.queue)["partitions"]
    assert sum(row["lag"] for row in untouched) == 12
    assert {row["committed"] for row in untouched} == {None}
    connection = site.connection()
    for message in receive(connection, site.kombu_queue, 12)[:5]:
        message.ack()
    eventually(lambda: sum(row["lag"] for row in site.json("lag")["partitions"]) == 7, 20)
    rows = site.json("lag", site.queue)["partitions"]
    assert {row["group"] for row in rows} == {f"celery.{site.topic}"}
    assert [row["partition"] for row in rows] == list(range(8))
    assert site.json("lag")["warnings"] == []


@pytest.mark.kafka
def test_lag_counts_what_is_finished_behind_an_unfinished_task(kafka_site: Site) -> None:
    site = kafka_site
    connection = site.connection(partitions=1)
    site.kombu_queue(connection.default_channel).declare()
    site.publish(*range(10))
    for message in receive(connection, site.kombu_queue, 10)[1:]:
        message.ack()
    eventually(lambda: site.json("lag")["partitions"][0]["lag"] == 1, 20)
    (row,) = site.json("lag")["partitions"]
    assert row["committed"] == 0
    assert row["member"]


@pytest.mark.kafka
def test_more_members_than_partitions_are_warned_of(kafka_site: Site) -> None:
    site = kafka_site
    site.kombu_queue(site.connection(partitions=1).default_channel).declare()
    # Who gets no partition waits for one as long as a session and a connection may take.
    for _ in range(2):
        site.connection(session_timeout=2.0, connect_timeout=1.0).Consumer(
            site.kombu_queue, on_message=lambda message: None
        ).consume()
    eventually(lambda: bool(site.json("lag")["warnings"]), 20)
    ended = site.run("lag")
    assert "has 2 members for 1 partitions, 1 of them get nothing" in ended.stderr
    assert "celery kafka partitions work COUNT" in ended.stderr


@pytest.mark.kafka
def test_partitions_are_added_under_a_worker_that_goes_on(kafka_site: Site) -> None:
    site = kafka_site
    connection = site.connection(partitions=1)
    site.kombu_queue(connection.default_channel).declare()
    site.publish(1)
    messages = receive(connection, site.kombu_queue, 1)
    ended = site.run("partitions", site.queue, "4")
    assert (ended.exit_code, ended.stdout.split(".")[0]) == (0, "work: 4 partitions, 1 before")
    assert [row["partition"] for row in site.json("lag")["partitions"]] == [0, 1, 2, 3]
    site.publish(2, 3, 4, 5)  # to each partition in turn
    while len(messages) < 5:
        connection.drain_events(timeout=40)
    refused = site.run("partitions", site.queue, "2")
    assert refused.exit_code == 1
    assert "has 4 partitions: they can become more, not fewer" in refused.stderr


@pytest.mark.kafka
def test_a_queue_with_priorities_is_one_queue(kafka_site: Site) -> None:
    site = kafka_site
    ranked = Queue("ranked", Exchange("ranked"), routing_key="ranked", max_priority=10)
    with site.connection(partitions=1) as connection:
        publish(connection, ranked, "low", priority=0)
        publish(connection, ranked, "high", priority=9)
        messages = receive(connection, ranked, 2)
        messages[0].ack()
        eventually(lambda: sum(row["lag"] for row in site.json("lag", "ranked")["partitions"]) == 1, 20)
    rows = site.json("lag", "ranked")["partitions"]
    assert len({row["topic"] for row in rows}) == 4
    assert {row["queue"] for row in rows} == {"ranked"}
    assert {row["queue"] for row in site.json("topics") if row["kind"] == "queue"} == {"ranked"}
    assert site.run("partitions", "ranked", "2").exit_code == 0
    assert len(site.json("lag", "ranked")["partitions"]) == 8


@pytest.mark.kafka
def test_a_group_that_was_given_up_is_forgotten(kafka_site: Site) -> None:
    site = kafka_site
    site.publish(1)
    group = f"old.{site.topic}"
    with site.connection(group_id="old", trim=False) as former:
        receive(former, site.kombu_queue, 1)[0].ack()
        busy = site.run("forget", group, "--yes")
        assert (busy.exit_code, busy.stderr) == (1, f"Error: group {group!r} has members: stop them first\n")
    assert group in {row["group"] for row in site.json("lag")["partitions"]}
    assert site.run("forget", group, input="y\n").exit_code == 0
    assert group not in {row["group"] for row in site.json("lag")["partitions"]}
    assert "there is no group" in site.run("forget", group, "--yes").stderr


def test_a_broker_that_cannot_add_partitions_says_so(tansu_address: str, name: str) -> None:
    site = Site(f"kafka://{tansu_address}", TANSU_OPTIONS, name)
    site.publish(1)
    ended = site.run("partitions", site.queue, "20")
    assert ended.exit_code == 1
    assert "not supported by broker" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_dead_letters_are_listed_and_shown_whole(site: Site) -> None:
    first, second = site.kill(1, 2)
    letters = {letter["id"]: letter for letter in site.json("dead", "list")}
    assert set(letters) == {first, second}
    assert letters[first]["task"] == "add"
    assert letters[first]["task_id"] == "task-1"
    assert letters[first]["deliveries"] == 1
    assert letters[first]["reason"].startswith("delivered 1 time")
    assert letters[first]["origin"] == first
    assert first.startswith(f"{site.topic}:")
    whole = site.json("dead", "show", second)
    assert whole["body"][0] == [2]
    assert whole["value"]["headers"]["id"] == "task-2"
    printed = site.run("dead", "list", site.queue).stdout
    assert first in printed
    assert "task-2" in printed
    assert '"task": "add"' in site.run("dead", "show", first).stdout


def test_a_replayed_letter_is_in_its_queue_again_and_the_others_stay(site: Site) -> None:
    ids = site.kill(*range(12))
    ended = site.run("dead", "replay", ids[7], ids[3])
    assert (ended.exit_code, ended.stdout) == (0, "Replayed 2 of 2 dead letters.\n")
    assert {letter["id"] for letter in site.json("dead", "list")} == set(ids) - {ids[7], ids[3]}
    with site.connection() as worker:
        messages = receive(worker, site.kombu_queue, 2)
        assert {message.headers["id"] for message in messages} == {"task-7", "task-3"}
        for message in messages:
            message.ack()
    assert site.json("dead", "replay", "--all", site.queue)["left"] == []
    assert site.json("dead", "list") == []
    rest = receive(site.connection(), site.kombu_queue, 10)
    assert {message.headers["id"] for message in rest} == {f"task-{n}" for n in range(12) if n not in (3, 7)}


def test_a_dropped_letter_is_gone_and_the_others_stay(site: Site) -> None:
    ids = site.kill(*range(4))
    asked = site.run("dead", "drop", ids[0], input="n\n")
    assert asked.exit_code == 1
    assert len(site.json("dead", "list")) == 4
    assert site.json("dead", "drop", ids[2], "--yes") == {"dropped": [ids[2]]}
    assert {letter["id"] for letter in site.json("dead", "list")} == {ids[0], ids[1], ids[3]}
    assert site.run("dead", "drop", "--all", site.queue, "--yes").stdout == "Dropped 3 dead letters.\n"
    assert site.json("dead", "list", site.queue) == []
    assert site.json("topics")[-1]["length"] == 0


def test_a_letter_without_its_record_can_only_be_dropped(site: Site) -> None:
    """The transport keeps the reason alone where the record is too large to be kept."""
    site.kill(1)
    raw = Producer({"bootstrap.servers": site.connection().transport.address.hosts})
    headers: Headers = [(DEAD_REASON, b"too large"), (DEAD_ORIGIN, f"{site.topic}:0:99".encode())]
    raw.produce(f"{site.topic}.dead", None, headers=headers, partition=0)
    assert raw.flush(10) == 0
    ended = site.run("dead", "replay", "--all", site.queue)
    assert ended.exit_code == 1
    assert f"{site.topic}:0:99 can't be replayed" in ended.stderr
    assert ended.stdout == "Replayed 1 of 2 dead letters.\n"
    assert [letter["id"] for letter in site.json("dead", "list")] == [f"{site.topic}:0:99"]
    assert site.run("dead", "drop", f"{site.topic}:0:99", "--yes").exit_code == 0
    assert site.json("dead", "list") == []


@pytest.mark.kafka
def test_letters_of_a_queue_that_was_made_again_are_not_taken_for_one(kafka_site: Site) -> None:
    site = kafka_site
    (first,) = site.kill(1)
    origin = first.encode()
    raw = Producer({"bootstrap.servers": site.connection().transport.address.hosts})
    for partition in range(8):  # a second letter from there, and copies of it, as a crash leaves them
        headers: Headers = [(DEAD_REASON, b"again"), (DEAD_ORIGIN, origin)]
        raw.produce(f"{site.topic}.dead", b"not the first", headers=headers, partition=partition)
    assert raw.flush(10) == 0
    letters = site.json("dead", "list")
    assert len({letter["id"] for letter in letters}) == len(letters) >= 2
    assert site.run("dead", "drop", first, "--yes").exit_code == 0
    assert {letter["reason"] for letter in site.json("dead", "list")} == {"again"}
    assert site.run("dead", "drop", "--all", site.queue, "--yes").exit_code == 0
    assert site.json("dead", "list") == []


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("lag", "nope"), 1, "there is no queue 'nope'"),
        (("dead", "list", "nope"), 1, "nope'"),
        (("dead", "show", "work:0:1"), 1, "there is no dead letter work:0:1"),
        (("dead", "drop", "nonsense", "--yes"), 1, "there is no dead letter nonsense"),
        (("dead", "replay"), 2, "name dead letters by their ID, or all of a queue"),
        (("dead", "replay", "x:0:1", "--all", "work"), 2, "name dead letters by their ID, or all of a queue"),
        (("partitions", "work", "0"), 2, "COUNT"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tansu_address: str, name: str, arguments: tuple[str, ...], code: int, line: str
) -> None:
    ended = Site(f"kafka://{tansu_address}", TANSU_OPTIONS, name).run(*arguments)
    assert ended.exit_code == code
    assert line in ended.stderr.splitlines()[-1]
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("memory://", "Error: this is for applications whose broker is kafka://, not memory://"),
        ("kafka://127.0.0.1:{port}", "Error: no Kafka broker is there: 127.0.0.1:{port}: Connection refused"),
    ],
)
def test_a_broker_that_is_not_there_or_not_kafka_is_said_in_a_line(url: str, line: str, name: str) -> None:
    port = str(free_port())
    ended = Site(url.replace("{port}", port), {"connect_timeout": 1.0}, name).run("lag")
    assert ended.exit_code == 1
    assert ended.stderr.startswith(line.replace("{port}", port))


def test_celery_finds_the_commands_where_the_project_is_installed(
    tansu_address: str, name: str, tmp_path: Path
) -> None:
    """What pip writes of pyproject.toml is enough, for any application; Django isn't needed."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = tmp_path / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    entries = about["entry-points"]["celery.commands"]
    lines = [f"{entry} = {target}\n" for entry, target in entries.items()]
    (installed / "entry_points.txt").write_text("[celery.commands]\n" + "".join(lines))
    env = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "TEST_BROKER": f"kafka://{tansu_address}",
        "TEST_OPTIONS": json.dumps({**TANSU_OPTIONS, "topic_prefix": f"{name}."}),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tests.kafka.app", "kafka", "topics", "--json"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == []
