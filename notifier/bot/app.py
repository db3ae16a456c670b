"""The bot's process: long polling, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import random

from aiogram import Bot, Dispatcher
from aiogram.exceptions import TelegramNetworkError, TelegramRetryAfter, TelegramServerError

from notifier.backends.telegram_session import make_bot
from notifier.bot import basics, rates

log = logging.getLogger(__name__)

# Seconds; the last is kept.
PAUSES = (1, 2, 5, 10, 30)


def dispatcher() -> Dispatcher:
    """The routers, the most general last."""
    made = Dispatcher()
    made.include_routers(basics.make_router(), rates.make_router())
    return made


async def run() -> None:
    """Serve until a signal. Raises aiogram's TelegramUnauthorizedError or TelegramNotFound for a wrong token."""
    bot = make_bot()
    try:
        await reach(bot)
        await dispatcher().start_polling(bot, close_bot_session=False)
    finally:
        await bot.session.close()


async def reach(bot: Bot) -> None:
    """Wait for the Bot API to answer; aiogram's polling gives up where its first call fails."""
    tries = 0
    while True:
        try:
            me = await bot.me()
        except (TelegramNetworkError, TelegramServerError, TelegramRetryAfter) as error:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            log.warning("Telegram can't be reached, the next try is in about %d s: %s", pause, error.message)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            tries += 1
        else:
            log.info("the bot is @%s", me.username)
            return
