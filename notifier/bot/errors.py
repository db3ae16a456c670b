"""What becomes of an error in a handler: the log has it, the person is told, the next update is served."""

import logging

from aiogram import Router
from aiogram.exceptions import TelegramAPIError, TelegramForbiddenError
from aiogram.types import ErrorEvent, Message

from notifier import chats, texts
from notifier.bot.database import database
from notifier.bot.replies import reply
from notifier.models import Chat

log = logging.getLogger(__name__)


async def failed(event: ErrorEvent, chat: Chat | None = None) -> None:
    message, error = message_of(event), event.exception
    if isinstance(error, TelegramForbiddenError) and message:
        await database(chats.refused, message.chat.id, "forbidden", error.message)
        return
    if isinstance(error, TelegramAPIError):
        log.warning("an answer could not be sent: %s", error.message)
        return
    log.error("an update could not be handled", exc_info=error)
    if message:
        # The handler's own language ended with it.
        with texts.speaking(chats.language_of(chat) if chat else ""):
            await apologise(message)


async def apologise(message: Message) -> None:
    try:
        await reply(message, "sorry")
    except TelegramAPIError as error:
        log.warning("nor could that be said: %s", error.message)


def message_of(event: ErrorEvent) -> Message | None:
    """Where the update came from, if it can be answered."""
    if event.update.message:
        return event.update.message
    query = event.update.callback_query
    return query.message if query and isinstance(query.message, Message) else None


def make_router() -> Router:
    router = Router(name="errors")
    router.errors.register(failed)
    return router
