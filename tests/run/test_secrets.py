"""A run with planted secrets: none of them is in anything that it writes, and one id leads through all of its logs."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests

from tests.run.conftest import Run
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN, TelegramStandin
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(900)

PLANTED = {
    "SECRET_KEY": "planted-key-0123456789-0123456789-0123456789-0123456789",
    "ADMIN_PASSWORD": "planted-password-77",
}
PERSON = 7000123456789


@pytest.fixture(scope="module")
def service(copy: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Its secrets are in files, its log lines are for machines, and as many as there can be."""
    folder = tmp_path_factory.mktemp("secrets")
    files = {}
    for name, value in {**PLANTED, "BOT_TOKEN": TOKEN}.items():
        (folder / name).write_text(f"{value}\n")
        files[f"{name}_FILE"] = str(folder / name)
    with CbrStandin() as cbr, TelegramStandin() as telegram:
        settings = {"CBR_URL": cbr.url, "TELEGRAM_API_URL": telegram.url, "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
        run = Run(copy(), **settings, **files)
        try:
            yield run.ready()
        finally:
            run.end()


def log(service: Run, part: str) -> str:
    return (service.folder / "var" / "log" / f"{part}.log").read_text()


def ids(service: Run, part: str) -> set[str]:
    """Of the lines that are objects; others are supervisord's or of what starts before logging does."""
    lines = [line for line in log(service, part).splitlines() if line.startswith("{")]
    return {str(json.loads(line).get("request_id", "")) for line in lines}


def test_one_id_leads_from_the_request_to_the_delivery(service: Run) -> None:
    body: dict[str, str | int] = {"currency_char_code": "USD", "telegram_id": PERSON}
    headers = {"X-Request-ID": "order-17"}
    answer = requests.post(f"{service.page}api/v1/rate-requests/", json=body, headers=headers, timeout=30)
    assert answer.headers["X-Request-ID"] == "order-17"
    url = answer.json()["status_url"]
    eventually(lambda: requests.get(url, timeout=10).json()["status"] == "delivered", 60)
    for part in ("web", "worker-rates", "worker-notifications"):
        eventually(lambda part=part: "order-17" in ids(service, part), 10)  # type: ignore[misc]
    assert f"request {answer.json()['id']}: delivered" in log(service, "worker-notifications")


def test_no_secret_and_no_person_is_in_anything_that_is_written(service: Run) -> None:
    requests.get(f"{service.page}admin/?telegram_id={PERSON}&token={TOKEN}", timeout=10)
    requests.post(
        f"{service.page}api/v1/rate-requests/", data="{", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
    )
    service.ask("EUR", PERSON)
    redis = next(pid for pid, command in service.processes().items() if "redis-server" in command)
    assert redis
    run_env = (service.folder / "var" / "run.env").read_text()
    password = unquote(urlsplit(re.findall(r"REDIS_URL='(.*)'", run_env)[0]).password or "")
    assert len(password) > 20
    secrets = {*PLANTED.values(), TOKEN, TOKEN.partition(":")[2], password, str(PERSON)}
    written = {file: file.read_text() for file in (service.folder / "var" / "log").iterdir()}
    assert sum(map(len, written.values())) > 10_000
    for file, text in written.items():
        assert not [secret for secret in secrets if secret in text], file.name
    # The terminal's owner is told the password, once, and nothing else.
    told = [line for line in service.lines if "user admin, password" not in line]
    assert not [secret for secret in secrets if secret in "\n".join(told)]
