"""The relay's process: woken at the commit, patient in outages, and ended in order."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

from notifier import dispatch, relay, requests, wake
from notifier.models import RateRequest
from notifier.relay import Published, Relay
from project.local import children
from tests.servers import Server, start_tansu
from tests.waiting import eventually

on_commit = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def bell() -> Iterator[wake.Bell]:
    made = wake.bell()
    yield made
    made.close()


def rings(bell: wake.Bell, within: float = 2.0) -> bool:
    return bool(select.select([bell], [], [], within)[0])


def silent(bell: wake.Bell) -> bool:
    bell.clear()
    return not rings(bell, 0.1)


@on_commit
def test_it_rings_at_the_commit(bell: wake.Bell) -> None:
    with transaction.atomic():
        dispatch.ask("USD", 42)
        assert not rings(bell, 0.1)
    assert rings(bell)
    bell.clear()
    assert not rings(bell, 0.1)
    # Many rings are one.
    for number in range(50):
        dispatch.ask("USD", number + 1)
    assert rings(bell)
    eventually(lambda: silent(bell), 5)


@on_commit
def test_nobody_is_woken_by_what_is_rolled_back(bell: wake.Bell) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        dispatch.ask("USD", 42)
        _ = 1 / 0
    assert not rings(bell, 0.1)


@on_commit
def test_without_a_relay_nothing_is_woken_and_nothing_fails() -> None:
    wake.bell().close()  # of one that has ended
    assert dispatch.ask("USD", 42).status == "accepted"


class Script:
    """Plays `publish_due`: what it does in turn, then nothing is due."""

    def __init__(self, *turns: Any) -> None:
        self.turns, self.limits = list(turns), []  # type: ignore[var-annotated]

    def __call__(self, limit: int) -> Published:
        self.limits.append(limit)
        turn = self.turns.pop(0) if self.turns else Published()
        if isinstance(turn, Exception):
            raise turn
        return turn


def test_outages_are_told_once_and_tried_with_few(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Published(due=1, failed=1, reason="no broker is there")
    script = Script(away, away, OperationalError("gone"), Published(due=1, published=1))
    one = Relay()

    def last(limit: int) -> Published:
        if not script.turns:
            one.stop()
        return script(limit)

    monkeypatch.setattr(relay, "publish_due", last)
    monkeypatch.setattr(relay, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction is in it
    one.run()
    assert script.limits == [relay.BATCH, *[relay.CAREFUL] * 3, relay.BATCH]
    assert [record.getMessage() for record in caplog.records if record.name == "notifier.relay"] == [
        "nothing can be published, it is tried again and again: no broker is there",
        "publishing goes on",
    ]


class Process:
    """`manage.py relay` on the tests' database."""

    def __init__(self, broker: Server, folder: Path) -> None:
        self.ready, self.file = folder / "ready", folder / "log"
        self.ready.unlink(missing_ok=True)  # an earlier one's
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "ENV_FILES": "",
            "DATABASE_URL": database_url(),
            "KAFKA_BOOTSTRAP_SERVERS": broker.address,
            "KAFKA_TRANSPORT_OPTIONS": '{"publish_timeout": 2.0, "connect_timeout": 2.0}',
            "READY_FILE": str(self.ready),
        }
        with self.file.open("ab") as log:
            self.process = children.spawn(
                [sys.executable, "manage.py", "relay"],
                at_parent_death=signal.SIGKILL,
                env=env,
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self.ready.exists, 40)

    def end(self) -> int:
        self.process.terminate()
        return int(self.process.wait(15))

    @property
    def cpu(self) -> float:
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])


def database_url() -> str:
    one = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{one['NAME']}"
    return (
        f"postgres://{one['USER']}:{one['PASSWORD']}@{one['HOST'] or 'localhost'}:{one['PORT'] or 5432}/{one['NAME']}"
    )


@pytest.fixture
def broker() -> Iterator[Server]:
    server = start_tansu()
    yield server
    server.stop()


@on_commit
def test_a_process_publishes_at_once_survives_the_broker_and_ends_in_order(broker: Server, tmp_path: Path) -> None:
    one = Process(broker, tmp_path)
    try:
        row = dispatch.ask("USD", 42)
        eventually(lambda: publishes(row) == 1, 20)
        # Without the ring it would take a second each, on average half of one.
        begun = time.monotonic()
        for number in range(8):
            row = dispatch.ask("USD", number + 1)
            eventually(lambda row=row: publishes(row) == 1, 10)  # type: ignore[misc]
        assert time.monotonic() - begun < 3
        # The broker dies, forgets, comes back: what was accepted meanwhile goes out by itself.
        broker.kill()
        rows = [dispatch.ask("USD", number) for number in range(20, 40)]
        eventually(lambda: "nothing can be published" in one.file.read_text(), 20)
        assert {publishes(row) for row in rows} == {0}
        broker.start()
        eventually(lambda: {publishes(row) for row in rows} == {1}, 25)
        cpu = one.cpu
        threading.Event().wait(2)
        assert one.cpu - cpu < 0.2
        assert one.end() == 0
        assert "Traceback" not in one.file.read_text()
    finally:
        one.process.kill()
        one.process.wait()


@on_commit
def test_two_processes_publish_each_request_once(broker: Server, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    relays = [Process(broker, folder) for folder in folders]
    try:
        rows = [requests.accept("USD", number + 1) for number in range(600)]
        eventually(lambda: RateRequest.objects.filter(publishes=0).count() == 0, 40)
        assert set(RateRequest.objects.values_list("publishes", flat=True)) == {1}
        assert len(rows) == 600
        # One is killed in the middle of its work; the other, or it when it is back, does the rest.
        for number in range(600):
            requests.accept("EUR", number + 1)
        relays[0].process.kill()
        relays[0].process.wait()
        relays[0] = Process(broker, folders[0])
        eventually(lambda: RateRequest.objects.filter(publishes=0).count() == 0, 40)
        assert [one.end() for one in relays] == [0, 0]
    finally:
        for one in relays:
            one.process.kill()
            one.process.wait()


def publishes(row: RateRequest) -> int:
    return RateRequest.objects.values_list("publishes", flat=True).get(pk=row.pk)
