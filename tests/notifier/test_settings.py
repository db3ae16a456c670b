"""Wrong settings are told: by Django's checks, by a command and at a worker's start, each in one line."""

import logging
from typing import Any

import pytest
from celery import Celery, signals
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from tests.standins.telegram import TOKEN, TelegramStandin


def check(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    call_command("check_notifier")
    said = capsys.readouterr()
    return said.out, said.err


def test_an_unknown_backend(settings: Any) -> None:
    settings.NOTIFIER_BACKEND = "pigeon"
    with pytest.raises(SystemCheckError, match=r"notifier\.E001.*\n.*HINT: Use one of telegram, console, memory"):
        call_command("check")
    with pytest.raises(CommandError, match="NOTIFIER_BACKEND=pigeon is unknown"):
        call_command("check_notifier")


@pytest.mark.parametrize("name", ["notifier.backends.nowhere.X", "notifier.texts.render", "django.forms.Form"])
def test_a_dotted_path_that_is_no_backend(settings: Any, name: str) -> None:
    settings.NOTIFIER_BACKEND = name
    with pytest.raises(SystemCheckError, match=r"notifier\.E001"):
        call_command("check")


def test_a_dotted_path(settings: Any) -> None:
    settings.NOTIFIER_BACKEND = "notifier.backends.memory.MemoryBackend"
    call_command("check")


def test_an_unknown_language(settings: Any) -> None:
    settings.NOTIFIER_LANGUAGE = "tlh"
    with pytest.raises(SystemCheckError, match=r"notifier\.E002"):
        call_command("check")


@pytest.mark.parametrize(("token", "word"), [("", "empty"), ("nonsense", "malformed")])
def test_a_token_that_is_none(settings: Any, token: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings.NOTIFIER_BACKEND, settings.BOT_TOKEN = "telegram", token
    call_command("check")
    assert f"(notifier.W001) BOT_TOKEN is {word}." in capsys.readouterr().err
    with pytest.raises(CommandError, match="messages go out by telegram, but none will: BOT_TOKEN is malformed"):
        call_command("check_notifier")


def test_telegram_is_there(standin: TelegramStandin, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys) == ("messages go out by telegram (@rates_standin_bot)\n", "")


@pytest.mark.parametrize("token", ["1:wrong", "42:AAAA"])
def test_a_refused_token(standin: TelegramStandin, settings: Any, token: str) -> None:
    settings.BOT_TOKEN = token
    with pytest.raises(CommandError, match=r"Telegram refuses BOT_TOKEN: Unauthorized$"):
        call_command("check_notifier")


def test_telegram_can_not_be_reached(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.NOTIFIER_BACKEND, settings.BOT_TOKEN = "telegram", TOKEN
    settings.TELEGRAM_API_URL = "http://127.0.0.1:9"
    out, err = check(capsys)
    assert out == ""
    assert err.startswith("messages go out by telegram, which can't be reached now: ")
    assert TOKEN not in err


@pytest.mark.parametrize("backend", ["console", "memory"])
def test_the_others_are_always_ready(settings: Any, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings.NOTIFIER_BACKEND = backend
    assert check(capsys) == (f"messages go out by {backend} (ready)\n", "")


class Worker:
    """What Celery's signals hand over, a worker that consumes these queues, as far as it is read."""

    def __init__(self, *queues: str) -> None:
        self.app = Celery(set_as_current=False)
        self.app.config_from_object("django.conf:settings", namespace="CELERY")
        self.app.amqp.queues.select(queues)


def test_a_worker_that_sends_says_it_at_its_start(
    standin: TelegramStandin, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BOT_TOKEN = "1:wrong"
    signals.worker_ready.send(sender=Worker("rates"))
    assert not [record for record in caplog.records if record.name == "notifier.startup"]
    signals.worker_ready.send(sender=Worker("rates", "notifications"))
    told = [record for record in caplog.records if record.name == "notifier.startup"]
    assert [record.levelno for record in told] == [logging.ERROR]
    assert told[0].getMessage() == (
        "messages go out by telegram, but none will: Telegram refuses BOT_TOKEN: Unauthorized"
    )


def test_the_console_prints_one_block(settings: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from notifier.backends import get_backend

    settings.NOTIFIER_BACKEND = "console"
    get_backend().send(42, "Доллар США\n1 USD = 75,5273 ₽")
    line = "-" * 60
    assert capfd.readouterr().out == f"\n{line}\nTo 42:\nДоллар США\n1 USD = 75,5273 ₽\n{line}\n"
