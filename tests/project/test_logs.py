"""Log lines: their forms, the id that a request's lines have in common, and what must not be in them."""

import json
import logging
from typing import Any

import pytest
from celery import Celery
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from project import logs, trace
from project.redaction import masked, redacted

SECRET = "correct-horse/battery&staple"
TOKEN = "1234567890:AAFf-abcdefghijklmnopqrstuvwxyz12345"


@pytest.fixture(autouse=True)
def secrets(settings: Any) -> None:
    settings.CONFIDENTIAL = [SECRET, "abc"]


def record(text: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("some.logger", logging.WARNING, __file__, 1, text, args, info)


def failed(text: str) -> RuntimeError:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        return error


def test_a_line_for_machines() -> None:
    with trace.using("abc-1"):
        line = json.loads(logs.JsonFormatter().format(record("two\nlines of %s", "text", error=failed("why"))))
    assert line["level"] == "WARNING"
    assert line["logger"] == "some.logger"
    assert line["message"] == "two\nlines of text"
    assert line["request_id"] == "abc-1"
    assert line["time"].endswith("+00:00")
    assert "RuntimeError: why" in line["error"]


def test_a_line_for_eyes() -> None:
    with trace.using("abc-1"):
        assert logs.Formatter().format(record("a %s", "text")).endswith(" WARNING some.logger [abc-1]: a text")


@pytest.mark.parametrize("formatter", [logs.Formatter(), logs.JsonFormatter()], ids=["console", "json"])
def test_no_secret_is_in_a_line_nor_in_its_traceback(formatter: logging.Formatter) -> None:
    quoted = "correct-horse%2Fbattery%26staple"
    line = formatter.format(record(f"{SECRET} %s {TOKEN}", quoted, error=failed(f"redis://:{quoted}@host/0 {SECRET}")))
    for secret in (SECRET, quoted, TOKEN, "battery"):
        assert secret not in line


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgres://rates:hunter2x@db/rates", "postgres://rates:*****@db/rates"),
        ("kafka://user:p%40ss@a:9092", "kafka://user:*****@a:9092"),
        ("redis://:hunter2x@db:6379/0", "redis://:*****@db:6379/0"),
        ("{'Authorization': 'Bearer abcdef012345'}", "{'Authorization': 'Bearer *****'}"),
        ("Cookie: sessionid=abc123; x=y", "Cookie: sessionid=*****; x=y"),
        (f"https://api.telegram.org/bot{TOKEN}/getMe", "https://api.telegram.org/bot*****/getMe"),
        ("telegram_id=-1001234567890", "telegram_id=…90"),
        ('{"telegram_id": 123456789}', '{"telegram_id": …89}'),
        ("chat_id: 5550123", "chat_id: …23"),
        ("migrated to a supergroup with id -1001234567890", "migrated to a supergroup with id …90"),
        ("the offset went back to 123456", "the offset went back to 123456"),
        ("connection to 127.0.0.1:9092 failed", "connection to 127.0.0.1:9092 failed"),
        ("http://127.0.0.1:8000/admin/", "http://127.0.0.1:8000/admin/"),
        ("2026-11-25: 54 rates", "2026-11-25: 54 rates"),
        ("abc is too short to be searched for", "abc is too short to be searched for"),
    ],
)
def test_what_is_taken_out_and_what_stays(text: str, clean: str) -> None:
    assert redacted(text) == clean


def test_of_a_telegram_id_its_end_is_told() -> None:
    assert masked(-1001234567890) == "…90"


def test_an_error_page_shows_no_password_of_any_setting(settings: Any) -> None:
    settings.REDIS_URL = f"redis://:{SECRET}@127.0.0.1/0"
    settings.DEBUG = True
    request = RequestFactory().get("/")
    reporter = ExceptionReporter(request, RuntimeError, failed("why"), None)
    page = reporter.get_traceback_html()
    assert "REDIS_URL" in page
    assert "battery" not in page


def test_a_client_gets_its_id_back_and_a_bad_one_is_replaced() -> None:
    assert Client().get("/api/v1/", headers={"X-Request-ID": "order-17"})["X-Request-ID"] == "order-17"
    for bad in ("", "a b", "x" * 65, 'a"b'):
        given = Client().get("/api/v1/", headers={"X-Request-ID": bad})["X-Request-ID"]
        assert trace.GIVEN.fullmatch(given)
        assert given != bad


def test_a_task_goes_on_with_the_id_that_it_was_published_with() -> None:
    app = Celery("t", broker="memory://", set_as_current=False)
    app.conf.task_always_eager = False
    seen: list[dict[str, Any]] = []

    @app.task(name="t.noop")
    def noop() -> None:
        pass

    with trace.using("order-18"), app.connection_for_write() as connection:
        noop.apply_async(connection=connection, queue="q")
        message = connection.SimpleQueue("q").get(timeout=2)
    seen.append(message.headers)
    assert seen[0][trace.TASK_HEADER] == "order-18"

    class Running:
        request = type("Request", (), {trace.TASK_HEADER: "order-18", "root_id": "root"})

    trace.on_start(task_id="t1", task=Running())
    assert (trace.current(), trace.current_task()) == ("order-18", "t1")
    trace.on_end()
    assert trace.current() == ""


def test_a_task_without_an_id_takes_its_chains() -> None:
    class Running:
        request = type("Request", (), {trace.TASK_HEADER: "no\nid", "root_id": "root"})

    trace.on_start(task_id="t1", task=Running())
    assert trace.current() == "root"
    trace.on_end()
