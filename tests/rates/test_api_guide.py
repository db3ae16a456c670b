"""The examples of docs/api.md work as they stand."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from rates.history import load_bundled
from tests.standins.cbr import CbrStandin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
GUIDE = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text().split("\n# ")[0]
SERVER = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


RATES = [
    url
    for block in blocks("sh")
    for line in block.splitlines()
    for url in shlex.split(line)
    if url.startswith(f"{SERVER}/api/v1/") and "/rate-requests/" not in url
]


@pytest.fixture
def bundled(cbr: CbrStandin) -> None:
    load_bundled()


@pytest.mark.parametrize("url", RATES)
def test_every_curl_is_answered(client: Client, bundled: None, url: str) -> None:
    response = client.get(url.removeprefix(SERVER))
    assert response.status_code == 200, response.content


def test_the_answer_shown_is_the_one_given(client: Client, bundled: None) -> None:
    assert len(RATES) >= 8
    assert client.get(RATES[0].removeprefix(SERVER)).json() == json.loads(blocks("json")[0])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_python_example_prints_what_it_says(live_server: LiveServer, bundled: None, capsys: Any) -> None:
    (code,) = [block for block in blocks("python") if "/convert/" in block]
    exec(code.replace(SERVER, live_server.url), {})
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[1].strip()
