"""The examples of docs/api-requests.md run as they stand."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from notifier.backends.webhook import signature
from notifier.models import RateRequest
from project.accounts.models import ApiToken

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "api-requests.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_examples_of_clients(live_server: Any) -> None:
    _, secret = ApiToken.objects.issue("the guide")
    env = os.environ | {"RATES_URL": live_server.url, "RATES_TOKEN": secret, "NO_PROXY": "*"}

    def run(*command: str) -> str:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    one, batch, page, webhook = (run("bash", "-ec", block) for block in blocks("sh"))
    assert '"status":"accepted"' in one
    assert batch.count('"status":"accepted"') == 3
    assert page.count('"currency_char_code":"EUR"') == 2
    assert '"status":"accepted"' in webhook
    assert run(sys.executable, "-c", blocks("python")[0]).strip() == "cancelled"
    assert RateRequest.objects.filter(token__name="the guide").count() == 6


def test_the_example_of_a_receiver() -> None:
    space: dict[str, Any] = {}
    exec(blocks("python")[1], space)
    now = str(int(time.time()))
    headers = {"X-Rates-Timestamp": now, "X-Rates-Signature": signature("secret", now, b"{}")}
    assert space["genuine"](headers, b"{}", "secret")
    assert not space["genuine"](headers, b"{ }", "secret")
    assert not space["genuine"](headers, b"{}", "another")
    old = {"X-Rates-Timestamp": "1000", "X-Rates-Signature": signature("secret", "1000", b"{}")}
    assert not space["genuine"](old, b"{}", "secret")
