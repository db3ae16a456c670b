"""Keeps the bot's own messages within Telegram's limits: the same for all processes, see `notifier.limits`."""

import asyncio
import logging

from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import TelegramRetryAfter
from aiogram.methods import SendMessage, SendPhoto, TelegramMethod
from aiogram.methods.base import Response, TelegramType

from notifier import limits

log = logging.getLogger(__name__)

# Nobody waits for an answer longer than this, in seconds; an update that takes more gets none.
PATIENCE = 60.0


class Pace(BaseRequestMiddleware):
    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        if isinstance(method, SendMessage | SendPhoto):
            await turn(int(method.chat_id))
        try:
            return await make_request(bot, method)
        except TelegramRetryAfter as error:
            if error.retry_after > PATIENCE:
                raise
            log.warning("Telegram asks for %d s of patience", error.retry_after)
            await asyncio.sleep(error.retry_after)
            # Once: who is told so twice has written too much.
            return await make_request(bot, method)


async def turn(chat_id: int) -> None:
    """Wait for the chat's turn, at most PATIENCE: then it is sent, and Telegram says no if it is too much."""
    end = asyncio.get_running_loop().time() + PATIENCE
    # Redis is asked in a thread: other chats don't wait for it.
    while wait := await asyncio.to_thread(limits.take, chat_id):
        left = end - asyncio.get_running_loop().time()
        if left <= 0:
            return
        await asyncio.sleep(min(wait, left))


def paced(bot: Bot) -> Bot:
    bot.session.middleware(Pace())
    return bot
