"""The list of commands that Telegram shows beside the bot's text field, in both languages."""

import logging

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError
from aiogram.types import BotCommand
from django.conf import settings

from notifier import texts

log = logging.getLogger(__name__)


def commands(language: str) -> list[BotCommand]:
    """The lines "rate - …" of the template, as @BotFather takes them too."""
    with texts.speaking(language):
        lines = texts.render("bot/commands").splitlines()
    pairs = (line.split(" - ", 1) for line in lines)
    return [BotCommand(command=name, description=description) for name, description in pairs]


async def announce(bot: Bot) -> None:
    """Set them; a Bot API that refuses or is away for a moment is no reason not to serve."""
    try:
        await bot.set_my_commands(commands(settings.NOTIFIER_LANGUAGE))
        for language in texts.LANGUAGES:
            await bot.set_my_commands(commands(language), language_code=language)
    except TelegramAPIError as error:
        log.warning("the list of commands is not set: %s", error.message)
