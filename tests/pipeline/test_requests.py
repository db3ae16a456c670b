"""From the POST to the message, through real processes."""

from __future__ import annotations

import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import requests

from tests.run.conftest import Run
from tests.standins.telegram import TelegramStandin
from tests.waiting import eventually

TIMEOUT = 90
# The other address of the same door.
SHORT_PATH = "currency-info"


def worker(run: Run, queue: str) -> psutil.Process:
    """The main process of the worker of a queue: the one whose parent is no worker itself."""
    found = {pid: psutil.Process(pid) for pid, command in run.processes().items() if f"--queues {queue}" in command}
    (main,) = [process for process in found.values() if process.ppid() not in found]
    return main


@pytest.mark.timeout(900)
def test_a_hundred_at_once_all_arrive_once_while_a_worker_is_stopped_and_started(
    service: Run, telegram: TelegramStandin
) -> None:
    ids = range(1001, 1101)
    old = worker(service, "notifications")
    with ThreadPoolExecutor(16) as pool:
        posted = pool.map(lambda telegram_id: service.ask("usd", telegram_id, SHORT_PATH), ids)
        telegram.wait_messages(10, timeout=TIMEOUT)
        old.send_signal(signal.SIGTERM)
        assert len(telegram.messages) < len(ids), "it is to be stopped amid them"
        urls = list(posted)
        messages = telegram.wait_messages(100, timeout=TIMEOUT)
        # Supervised, it is back; what it has still to say it says once more at most.
        service.line("worker-notifications", timeout=TIMEOUT)
        states: list[dict[str, Any]] = []

        def all_written_down() -> bool:
            states[:] = pool.map(lambda url: requests.get(url, timeout=30).json(), urls)
            return {state["status"] for state in states} == {"delivered"}

        eventually(all_written_down, TIMEOUT)
    assert not old.is_running()
    assert Counter(chat for chat, _ in telegram.messages) == Counter(ids)
    assert all(state["rate"]["date"] == "2026-04-25" for state in states), states[0]
    assert "75,5273" in messages[0][1]
    assert "не свежий" not in messages[0][1]


@pytest.mark.timeout(900)
def test_the_log_shows_what_became_of_each_request(service: Run, telegram: TelegramStandin) -> None:
    telegram.fail("chat_not_found", chat_id=990013, times=99)
    for code, chat in (("USD", 990012), ("XXX", -100500), ("EUR", 990013)):
        service.ask(code, chat, SHORT_PATH)
    texts = dict(telegram.wait_messages(2, timeout=TIMEOUT))
    assert "Валюта не найдена" in texts[-100500]
    session = requests.Session()
    admin = service.line("Admin").split()[1]
    session.get(admin, timeout=30)
    form = {
        "username": "admin",
        "password": service.line("password").split()[-1],
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    session.post(f"{admin}login/", data=form, timeout=30)
    log = f"{admin}notifier/raterequest/"

    def rows(**query: str) -> int:
        page = session.get(log, params=query, timeout=30).text
        return len(re.findall(r'class="action-select"', page))

    eventually(lambda: rows(q="990013", status__exact="failed") == 1, TIMEOUT)
    eventually(lambda: rows(q="990012", status__exact="delivered") == 1, TIMEOUT)
    eventually(lambda: rows(q="XXX", status__exact="delivered") == 1, TIMEOUT)
    assert rows(currency_char_code="EUR") == 1
