"""OpenTelemetry: one trace from the POST through both tasks, across the broker; nothing of it where it is off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import start_tansu
from tests.standins.otlp import Collector, Span
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
INCOMING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#: Web and relay: a POST as a client sends it that has a trace already, and what it has left in the outbox.
ASK = f"""
import io
from project import tracing
from project.wsgi import application
body = b'{{"currency_char_code": "USD", "telegram_id": 42}}'
environ = {{
    "REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/rate-requests/", "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": str(len(body)), "HTTP_HOST": "localhost", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
    "QUERY_STRING": "q=987654321", "HTTP_TRACEPARENT": "{INCOMING}", "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
}}
answer = application(environ, lambda status, headers, *_: print(status))
b"".join(answer)
answer.close()
from notifier.relay import publish_due
print("published", publish_due().published)
tracing.flush()
"""


@pytest.fixture
def environment(redis_server: str, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH")},
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "ENV_FILES": "",
        "SECRET_KEY": "only-for-this-test",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "REDIS_URL": redis_server,
        "CBR_URL": "http://127.0.0.1:9/scripts/",
        "ALLOW_ANONYMOUS_REQUESTS": "true",
        "NOTIFIER_BACKEND": "console",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }


@pytest.fixture
def python(environment: dict[str, str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def collector(environment: dict[str, str]) -> Iterator[Collector]:
    with Collector() as collector:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        yield collector


@pytest.fixture
def broker(environment: dict[str, str]) -> Iterator[None]:
    server = start_tansu()
    environment["KAFKA_BOOTSTRAP_SERVERS"] = server.address
    environment["KAFKA_TRANSPORT_OPTIONS"] = '{"session_timeout": 4, "static_membership": false, "trim": false}'
    yield
    server.stop()


@pytest.mark.timeout(300)
def test_one_trace_leads_from_the_post_through_both_tasks(
    environment: dict[str, str], python: Callable[..., str], collector: Collector, broker: None
) -> None:
    python("manage.py", "prepare")
    assert python("-c", ASK).split("\n")[:2] == ["202 Accepted", "published 1"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "project", "worker", "--queues", "rates,notifications", "-c", "1"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: bool(named(collector, "run/notifier.tasks.notify")), timeout=60)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    way = [
        found(collector, name)
        for name in (
            "POST api/v1/rate-requests/$",
            "apply_async/rates.tasks.fetch_rate",
            "run/rates.tasks.fetch_rate",
            "apply_async/notifier.tasks.notify",
            "run/notifier.tasks.notify",
        )
    ]
    _, given, before, _ = INCOMING.split("-")
    for span in way:
        assert (span.trace, span.parent) == (given, before)
        before = span.id
    assert [span.service for span in way[2:]] == ["worker-celery"] * 3
    assert b"rate-requests" in collector.received
    assert b"987654321" not in collector.received


def named(collector: Collector, name: str) -> list[Span]:
    return [span for span in list(collector.spans) if span.name == name]


def found(collector: Collector, name: str) -> Span:
    spans = named(collector, name)
    assert len(spans) == 1, (name, collector.spans)
    return spans[0]


def test_off_nothing_of_it_is_imported(python: Callable[..., str]) -> None:
    # redis-py imports the API by itself, where that is installed.
    script = "import sys, project.wsgi, project.celery; print(*sys.modules)"
    parts = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.instrumentation")
    assert [name for name in python("-c", script).split() if name.startswith(parts)] == []


def test_wanted_without_its_packages_it_says_what_to_install(environment: dict[str, str]) -> None:
    script = "import sys; sys.modules['opentelemetry.sdk.trace'] = None; import project.wsgi"
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "pip install -r requirements-otel.txt" in done.stderr
