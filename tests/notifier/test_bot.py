"""The bot, polling a Bot API on the wire in a process of its own thread's loop."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from notifier import texts
from notifier.bot import words
from notifier.models import RateRequest
from tests.standins.telegram import TelegramStandin

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def rows() -> list[tuple[str, int | None]]:
    return list(RateRequest.objects.order_by("created_at").values_list("currency_char_code", "telegram_id"))


@pytest.mark.parametrize(("said", "name"), [("/start", "bot/start"), ("/help", "bot/help")])
def test_commands(bot: TelegramStandin, said: str, name: str) -> None:
    bot.say(42, said)
    assert bot.wait_messages(1) == [(42, texts.render(name))]


@pytest.mark.parametrize("said", ["USDT", "привет", "42", "0 usd"])
def test_what_is_no_currency_gets_a_hint(bot: TelegramStandin, said: str) -> None:
    bot.say(42, said)
    assert bot.wait_messages(1) == [(42, texts.render("bot/hint", similar=words.similar(said)))]
    assert rows() == []


@pytest.mark.parametrize(
    ("said", "name"),
    [
        *[("/rate", "rate_hint"), ("/nonsense", "command_hint"), ("/convert", "convert_hint")],
        *[("/chart USD 5000y", "chart_hint"), ("/history", "history_hint"), ("/alert USD", "alert_hint")],
        *[("/alert USD > 5%", "alert_hint"), ("/delete x", "delete_hint"), ("/lang de", "lang_hint")],
    ],
)
def test_commands_with_a_wrong_argument_say_what_works(bot: TelegramStandin, said: str, name: str) -> None:
    bot.say(42, said)
    assert bot.wait_messages(1) == [(42, texts.render(f"bot/{name}"))]
    assert rows() == []


def test_codes_make_requests(bot: TelegramStandin, published: Callable[[], list[Any]]) -> None:
    bot.say(42, "/rate USD")
    bot.say(42, " eur ")
    bot.say(-77, "/rate@rates_standin_bot cny")
    # In a group, talk isn't meant for the bot.
    bot.say(-77, "usd")
    bot.say(42, "/help")
    bot.wait_messages(1)
    # The handlers run side by side.
    assert wait_for(lambda: len(rows()) == 3)
    assert sorted(rows()) == [("CNY", -77), ("EUR", 42), ("USD", 42)]
    assert sorted(message["args"][0] for message in published()) == ["CNY", "EUR", "USD"]


def wait_for(true: Callable[[], bool], timeout: float = 10) -> bool:
    waiting = threading.Event()
    for _ in range(int(timeout / 0.05)):
        if true():
            return True
        waiting.wait(0.05)
    return False


def test_no_token(settings: Any) -> None:
    settings.BOT_TOKEN = ""
    with pytest.raises(CommandError, match="BOT_TOKEN is not set"):
        call_command("bot")


def test_a_malformed_token(settings: Any) -> None:
    settings.BOT_TOKEN = "nonsense"
    with pytest.raises(CommandError, match="BOT_TOKEN is malformed") as refused:
        call_command("bot")
    # Whoever started it needn't try again.
    assert refused.value.returncode == os.EX_CONFIG


def test_a_refused_token(standin: TelegramStandin, settings: Any) -> None:
    settings.BOT_TOKEN = "1:wrong"
    with pytest.raises(CommandError, match="Telegram refuses BOT_TOKEN: Unauthorized"):
        call_command("bot")


def test_the_process_ends_on_sigterm(standin: TelegramStandin, settings: Any) -> None:
    standin.fail("500", method="getMe")
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings", "ENV_FILES": "", "SECRET_KEY": "x"}
    env |= {"BOT_TOKEN": settings.BOT_TOKEN, "TELEGRAM_API_URL": standin.url, "DATABASE_URL": "sqlite://:memory:"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "bot"], env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        standin.say(42, "/start")
        standin.wait_messages(1, timeout=60)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert settings.BOT_TOKEN not in said
    assert "Telegram can't be reached" in said
