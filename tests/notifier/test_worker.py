"""Real processes on the embedded broker: what is killed in the middle ends as retried or failed, never stuck."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import requests as http
from django.conf import settings
from django.db import connection

from notifier.models import RateRequest
from project.local import children, ports
from tests.servers import start_tansu
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN, TelegramStandin

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

HARD_LIMIT = 8


class Service:
    """A web process, a relay and a worker with one pool process, between a CBR and a Bot API, on the tests' data."""

    def __init__(self, broker: str, redis_url: str, cbr: CbrStandin, telegram: TelegramStandin, folder: Path) -> None:
        self.cbr, self.telegram, self.folder = cbr, telegram, folder
        self.port = ports.free_port()
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "ENV_FILES": "",
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            "KAFKA_BOOTSTRAP_SERVERS": broker,
            "REDIS_URL": redis_url,
            "CBR_URL": cbr.url,
            "CBR_READ_TIMEOUT_SECONDS": "60",
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_TIMEOUT_SECONDS": "60",
            "BOT_TOKEN": TOKEN,
            "ALLOW_ANONYMOUS_REQUESTS": "true",
            "RATE_CACHE_TTL_SECONDS": "1",
            # Without a soft limit nothing but the hard one ends a task.
            "TASK_SOFT_TIME_LIMIT_SECONDS": "0",
            "TASK_TIME_LIMIT_SECONDS": str(HARD_LIMIT),
            "READY_FILE": str(folder / "ready"),
        }
        web = f"-m gunicorn --bind 127.0.0.1:{self.port} --threads 2 project.wsgi"
        worker = "-m celery --quiet -A project worker -Q rates,notifications -c 1 -l INFO"
        self.processes = [self.start(web), self.start(worker), self.start("manage.py relay")]
        ready = wait_for(lambda: (folder / "ready").exists() and ports.answers("127.0.0.1", self.port))
        assert ready, self.log()

    def start(self, command: str) -> "subprocess.Popen[Any]":
        with (self.folder / "log").open("ab") as log:
            return children.spawn(
                [sys.executable, *command.split()],
                at_parent_death=signal.SIGKILL,
                env=self.env,
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def post(self) -> RateRequest:
        url = f"http://127.0.0.1:{self.port}/api/v1/rate-requests/"
        answer = http.post(url, json={"currency_char_code": "USD", "telegram_id": 42}, timeout=10)
        assert answer.status_code == 202
        return RateRequest.objects.get(pk=answer.json()["id"])

    def reaches(self, row: RateRequest, wanted: str) -> RateRequest:
        """The row once it has the status."""
        reached = wait_for(lambda: RateRequest.objects.filter(pk=row.pk, status=wanted).exists())
        assert reached, f"{RateRequest.objects.get(pk=row.pk)}\n{self.log()}"
        return RateRequest.objects.get(pk=row.pk)

    def kill_pool_process(self) -> None:
        (child,) = psutil.Process(self.processes[1].pid).children()
        child.kill()
        self.cbr.mode = "ok"
        child.wait(10)
        # Its lock on asking the CBR would else be waited for, longer than this hard limit.
        self.forget_rates()

    def forget_rates(self) -> None:
        with redis.Redis.from_url(self.env["REDIS_URL"]) as client:
            client.flushdb()

    def stop(self) -> None:
        children.end(self.processes, grace=20)


def wait_for(true: Callable[[], object], seconds: float = 40) -> bool:
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if true():
            return True
        pause.wait(0.05)
    return False


@pytest.fixture(scope="module")
def running(
    django_db_setup: None, django_db_blocker: Any, redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    broker = start_tansu()
    with CbrStandin() as cbr, TelegramStandin() as telegram:
        service = Service(broker.address, redis_server, cbr, telegram, tmp_path_factory.mktemp("service"))
        try:
            # Another test's CBR may have failed a moment ago, and that is remembered for half a minute.
            service.forget_rates()
            # The first request makes the topics and waits for the consumers' group.
            with django_db_blocker.unblock():
                service.reaches(service.post(), "delivered")
            yield service
        finally:
            service.stop()
    broker.stop()


@pytest.fixture
def service(running: Service) -> Service:
    running.cbr.mode, running.cbr.seconds = "ok", 60
    running.forget_rates()
    running.telegram.state.messages.clear()
    running.telegram.state.failures.clear()
    return running


def test_a_fetch_over_its_hard_limit_fails_its_request(service: Service) -> None:
    service.cbr.mode = "slow"
    row = service.reaches(service.post(), "failed")
    assert (row.error_code, row.fetch_attempts, row.sweep_at) == ("time_limit", 1, None)
    assert f"Hard time limit ({HARD_LIMIT}s) exceeded for rates.tasks.fetch_rate" in service.log()
    # The worker goes on.
    service.cbr.mode = "ok"
    row = service.reaches(service.post(), "delivered")
    assert service.telegram.messages == [(42, row.text)]


def test_a_send_over_its_hard_limit_fails_its_request(service: Service) -> None:
    service.telegram.fail("slow", seconds=60)
    row = service.reaches(service.post(), "failed")
    assert (row.error_code, row.notify_attempts, row.lease_until) == ("time_limit", 1, None)
    assert "Дошло ли сообщение, неизвестно" in row.error
    service.reaches(service.post(), "delivered")


def test_a_process_that_dies_in_a_fetch_loses_nothing(service: Service) -> None:
    service.cbr.mode = "slow"
    row = service.reaches(service.post(), "fetching")
    service.kill_pool_process()
    row = service.reaches(row, "delivered")
    assert service.telegram.messages == [(42, row.text)]
    assert row.fetch_attempts == 2
