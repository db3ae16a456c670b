"""bin/run from its start to its end, and what happens in between."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from project.local import ports
from tests.run.conftest import Run
from tests.standins.telegram import TOKEN, TelegramStandin
from tests.waiting import eventually

Start = Callable[..., Run]
# Real processes that start three times one after the other, on a busy machine.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def running(copy: Callable[[], Path]) -> Iterator[Run]:
    """One that runs beside the tests of this module, on a port that it did not want."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        run = Run(copy(), PORT=str(busy.getsockname()[1]))
        try:
            yield run.ready()
        finally:
            run.end()


def test_a_busy_port_gets_another(running: Run) -> None:
    wanted, taken = re.findall(r"\d+", running.line("is busy"))
    assert wanted != taken
    assert f":{taken}/" in running.page
    assert requests.get(running.page, timeout=10).status_code == 200


def test_the_admin_gets_in_with_the_printed_password(running: Run) -> None:
    admin = running.line("Admin").split()[1]
    password = running.line("password").split()[-1]
    session = requests.Session()
    session.get(admin, timeout=10)
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    answer = session.post(f"{admin}login/?next=/admin/", data=form, timeout=10)
    assert "Log out" in answer.text
    assert (running.folder / "var" / "admin_password").stat().st_mode & 0o777 == 0o600


def test_a_message_appears_on_the_terminal(running: Run) -> None:
    running.ask("EUR", 4711)
    running.line("To 4711:")
    running.line("1 EUR = ")


def test_a_second_one_in_the_folder_says_that_the_first_runs(running: Run, start: Start) -> None:
    second = start(running.folder)
    assert second.ended() == 1
    assert second.lines == [f"bin/run: it runs in this folder already (pid {running.process.pid}): {running.page}"]


def test_plain_commands_join_it(running: Run) -> None:
    run_env = running.folder / "var" / "run.env"
    assert run_env.stat().st_mode & 0o777 == 0o600
    code = "from django.conf import settings as s; from project import services as v;"
    told = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v0",
            "-c",
            code + "print([v.database(), v.kafka(), v.redis_server()])",
        ],
        cwd=running.folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == "['', '', '']", told.stderr


def test_a_part_that_dies_is_restarted_with_a_printed_line(running: Run) -> None:
    worker = next(pid for pid, command in running.processes().items() if "--queues rates" in command)
    psutil.Process(_main_process(worker)).kill()
    assert "worker-rates" in running.line("died (terminated by SIGKILL)")
    assert "worker-rates" in running.line("is started again")


def _main_process(worker: int) -> int:
    """A worker's pool has the same command: the main process is supervisord's child."""
    process = psutil.Process(worker)
    parent = process.parent()
    while parent is not None and "celery" in " ".join(parent.cmdline()):
        process, parent = parent, parent.parent()
    return process.pid


@pytest.mark.parametrize("when", ["Starting", "✓ Redis", "✓ Database"])
def test_a_signal_while_it_starts_leaves_nothing_behind(copy: Callable[[], Path], start: Start, when: str) -> None:
    run = start(copy())
    run.line(when)
    assert run.end(signal.SIGTERM) == 0
    assert not run.processes()
    assert not (run.folder / "var" / "run.env").exists()


def test_ctrl_c_and_a_second_start_keep_database_and_password(copy: Callable[[], Path], start: Start) -> None:
    folder, port = copy(), str(ports.free_port())
    first = start(folder, PORT=port).ready()
    status_url = first.ask("USD", 1)
    first.line("To 1:")
    assert first.processes()
    # Twice, as an impatient user does it: nothing may be left then either.
    first.process.send_signal(signal.SIGINT)
    first.line("Stopping")
    assert first.end() == 0
    assert not first.processes()

    second = start(folder, PORT=port).ready()
    assert second.line("password") == first.line("password")
    assert requests.get(status_url, timeout=10).json()["status"] == "delivered"
    assert second.end() == 0
    assert not second.processes()


def test_what_the_embedded_broker_forgot_goes_out_after_a_restart(copy: Callable[[], Path], start: Start) -> None:
    """Nobody waits a quarter of an hour for what was on its way when bin/run was stopped."""
    with TelegramStandin() as telegram:
        folder = copy()
        bot = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": telegram.url, "PORT": str(ports.free_port())}
        first = start(folder, **bot).ready()
        # It asks for patience, so the task waits in the broker.
        telegram.fail("429", retry_after=600, times=1)
        status_url = first.ask("USD", 7)
        eventually(lambda: requests.get(status_url, timeout=10).json()["error"] is not None, 60)
        assert first.end() == 0

        second = start(folder, **bot).ready()
        assert telegram.wait_messages(1, timeout=30)[0][0] == 7
        eventually(lambda: requests.get(status_url, timeout=10).json()["status"] == "delivered", 10)
        assert second.end() == 0


def test_after_a_kill_it_ends_the_leftovers_and_starts_again(copy: Callable[[], Path], start: Start) -> None:
    folder = copy()
    first = start(folder).ready()
    supervisord = next(pid for pid, command in first.processes().items() if "supervisord" in command)
    # Both at once: nobody is left to end the parts.
    psutil.Process(supervisord).kill()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    orphans = set(first.processes())
    assert orphans

    second = start(folder)
    second.line("of an earlier bin/run that was killed")
    second.ready()
    assert not orphans & set(second.processes())
    assert second.end() == 0
    assert not second.processes()


def test_its_own_end_by_kill_ends_all_of_it(copy: Callable[[], Path], start: Start) -> None:
    run = start(copy())
    run.line("✓ Redis")
    processes = [psutil.Process(pid) for pid in run.processes()]
    run.end(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


def test_a_wrong_bot_token_is_told_at_the_start(copy: Callable[[], Path], start: Start) -> None:
    run = start(copy(), BOT_TOKEN="wrong").ready()
    assert (
        run.line("Delivery").split(maxsplit=1)[1]
        == "messages go out by telegram, but none will: BOT_TOKEN is malformed"
    )
