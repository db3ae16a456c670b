"""Who is talking to us: each handler gets its chat, and speaks its language."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.enums import ChatType
from aiogram.types import Chat as TelegramChat
from aiogram.types import TelegramObject, User
from django.db import Error as DatabaseError

from notifier import chats, texts
from notifier.bot.database import database
from notifier.models import Chat

log = logging.getLogger(__name__)


class People(BaseMiddleware):
    """Puts the stored chat into `data["chat"]`."""

    async def __call__(
        self, handler: Callable[[Any, Any], Awaitable[Any]], event: TelegramObject, data: dict[str, Any]
    ) -> Any:
        where, who = data.get("event_chat"), data.get("event_from_user")
        data["chat"] = await database(stored, where, who)
        with texts.speaking(chats.language_of(data["chat"])):
            return await handler(event, data)


def stored(where: TelegramChat | None, who: User | None) -> Chat:
    """The chat that an update came from, stored from now on. Inline questions have none: they are the person's."""
    language = language_of(where, who)
    chat_id = where.id if where else who.id if who else 0
    try:
        return chats.seen(chat_id, language) if where else chats.get(chat_id)
    except DatabaseError as error:
        # What needs no database (/help, a rate from the cache) is answered all the same.
        log.warning("the chat can't be looked up: %s", error)
        return Chat(pk=chat_id, language=language)


def language_of(where: TelegramChat | None, who: User | None) -> str:
    """A person's language as their Telegram has it; a group begins with the service's."""
    code = (who.language_code or "") if who else ""
    if not code or (where and where.type != ChatType.PRIVATE):
        return ""
    return "ru" if code.partition("-")[0] == "ru" else "en"
