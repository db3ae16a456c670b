"""Webhook mode: Telegram posts, and only Telegram."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from django.core.management import CommandError, call_command

from notifier import texts
from notifier.backends.telegram_session import make_bot
from notifier.bot import commands, webhook
from notifier.bot.app import InHand, dispatcher
from notifier.checks import check_limits, check_webhook
from project.local import ports
from tests.standins.telegram import TelegramStandin

SECRET = "a-secret-of-the-tests"


@pytest.fixture
def by_webhook(standin: TelegramStandin, settings: Any) -> TelegramStandin:
    settings.TELEGRAM_WEBHOOK_URL = "https://bot.example.org/telegram"
    settings.TELEGRAM_WEBHOOK_SECRET = SECRET
    settings.TELEGRAM_WEBHOOK_PORT = ports.free_port()
    return standin


def update() -> dict[str, Any]:
    chat = {"id": 42, "type": "private", "first_name": "Ada"}
    person = {"id": 42, "is_bot": False, "first_name": "Ada"}
    entity = {"type": "bot_command", "offset": 0, "length": 5}
    message = {"message_id": 1, "date": 1, "chat": chat, "from": person, "text": "/help", "entities": [entity]}
    return {"update_id": 1, "message": message}


async def post(port: int, secret: str | None) -> int:
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/telegram"
        async with session.post(url, json=update(), headers=headers) as answer:
            return answer.status


async def with_webhook(bot: Bot, port: int, standin: TelegramStandin) -> list[int]:
    stop = asyncio.Event()
    serving = asyncio.create_task(webhook.serve(dispatcher(InHand()), bot, stop))
    while not standin.calls("setWebhook"):
        assert not serving.done()
        await asyncio.sleep(0.02)
    statuses = [await post(port, secret) for secret in (None, "wrong", SECRET)]
    stop.set()
    await serving
    return statuses


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_only_who_knows_the_secret_is_heard(by_webhook: TelegramStandin, settings: Any) -> None:
    statuses = asyncio.run(_run(settings.TELEGRAM_WEBHOOK_PORT, by_webhook))
    assert statuses == [401, 401, 200]
    assert by_webhook.messages == [(42, texts.render("bot/help"))]
    told = by_webhook.calls("setWebhook")[0]
    assert (told["url"], told["secret_token"]) == ("https://bot.example.org/telegram", SECRET)


async def _run(port: int, standin: TelegramStandin) -> list[int]:
    return await with_webhook(make_bot(), port, standin)


@pytest.mark.parametrize(
    ("url", "secret", "ids"),
    [
        *[("", "", []), ("https://a.example/x", SECRET, []), ("https://a.example/x", "", ["notifier.E004"])],
        ("http://a.example/x", "short", ["notifier.E003", "notifier.E004"]),
    ],
)
def test_checks(settings: Any, url: str, secret: str, ids: list[str]) -> None:
    settings.TELEGRAM_WEBHOOK_URL, settings.TELEGRAM_WEBHOOK_SECRET = url, secret
    assert [problem.id for problem in check_webhook()] == ids


def test_the_bot_does_not_start_with_an_unsafe_webhook(by_webhook: TelegramStandin, settings: Any) -> None:
    settings.TELEGRAM_WEBHOOK_SECRET = ""
    with pytest.raises(CommandError, match="TELEGRAM_WEBHOOK_SECRET"):
        call_command("bot")


def test_limits_are_checked(settings: Any) -> None:
    assert check_limits() == []
    settings.TELEGRAM_CHAT_INTERVAL_SECONDS, settings.TELEGRAM_LIMIT_PROCESSES = -1, 0
    assert [problem.id for problem in check_limits()] == ["notifier.E005", "notifier.E006"]


def test_commands_are_announced_in_both_languages(standin: TelegramStandin) -> None:
    async def announce() -> None:
        async with make_bot() as bot:
            await commands.announce(bot)

    asyncio.run(announce())
    calls = standin.calls("setMyCommands")
    assert [call.get("language_code") for call in calls] == [None, "ru", "en"]
    names = [[command.command for command in commands.commands(language)] for language in texts.LANGUAGES]
    assert names[0] == names[1]
    assert {"rate", "rates", "convert", "chart", "history", "subscribe", "alert", "list", "delete"} < set(names[0])


def test_commands_that_cannot_be_set_are_no_reason_not_to_serve(standin: TelegramStandin, caplog: Any) -> None:
    standin.fail("500", method="setMyCommands")

    async def announce() -> None:
        async with make_bot() as bot:
            await commands.announce(bot)

    asyncio.run(announce())
    assert "the list of commands is not set" in caplog.text
