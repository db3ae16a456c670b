"""The bot's process: long polling, or a webhook where one is set, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import random
from typing import Any

from aiogram import BaseMiddleware, Bot, Dispatcher
from aiogram.exceptions import TelegramNetworkError, TelegramRetryAfter, TelegramServerError
from aiogram.types import TelegramObject
from django.conf import settings

from notifier import metrics
from notifier.backends.telegram_session import make_bot
from notifier.bot import basics, board, changes, charts, errors, inline, plans, rates, webhook
from notifier.bot.commands import announce
from notifier.bot.pace import paced
from notifier.bot.people import People
from project import ready

log = logging.getLogger(__name__)

# Seconds; the last is kept.
PAUSES = (1, 2, 5, 10, 30)

# How long the messages that are being handled have when the bot is stopped.
LAST_WORDS = 10


class InHand(BaseMiddleware):
    """The updates that are being handled: aiogram doesn't wait for them when it stops."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, handler: Any, event: TelegramObject, data: dict[str, Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        result = "error"
        try:
            answer = await handler(event, data)
            result = "ok"
            return answer
        finally:
            metrics.UPDATES.labels(result).inc()
            self.tasks.discard(task)

    async def finish(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=LAST_WORDS)


def dispatcher(in_hand: InHand) -> Dispatcher:
    """The routers, the most general last."""
    made = Dispatcher()
    made.update.outer_middleware(in_hand)
    # After aiogram's own, which tells whose update it is.
    made.update.outer_middleware(People())
    modules = (errors, changes, basics, rates, board, charts, plans, inline)
    made.include_routers(*(module.make_router() for module in modules), rates.make_talk())
    return made


async def run() -> None:
    """Serve until a signal. Raises aiogram's TelegramUnauthorizedError or TelegramNotFound for a wrong token."""
    bot, in_hand = paced(make_bot()), InHand()
    try:
        async with ready.beating():
            await reach(bot)
            await announce(bot)
            if settings.TELEGRAM_WEBHOOK_URL:
                await webhook.serve(dispatcher(in_hand), bot)
            else:
                await dispatcher(in_hand).start_polling(bot, close_bot_session=False)
            await in_hand.finish()
    finally:
        await bot.session.close()


async def reach(bot: Bot) -> None:
    """Wait for the Bot API to answer; aiogram's polling gives up where its first call fails."""
    tries = 0
    while True:
        try:
            me = await bot.me()
            if not settings.TELEGRAM_WEBHOOK_URL:
                # Telegram gives no updates by polling while a webhook is set.
                await bot.delete_webhook()
        except (TelegramNetworkError, TelegramServerError, TelegramRetryAfter) as error:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            log.warning("Telegram can't be reached, the next try is in about %d s: %s", pause, error.message)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            tries += 1
        else:
            log.info("the bot is @%s", me.username)
            return
