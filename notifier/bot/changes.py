"""What Telegram tells of chats: a group became a supergroup; the bot was blocked, removed or let in again."""

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.types import ChatMemberUpdated, Message

from notifier import chats
from notifier.bot.database import database
from notifier.models import Chat

GONE = (ChatMemberStatus.KICKED, ChatMemberStatus.LEFT)


async def moved(message: Message) -> None:
    assert message.migrate_to_chat_id is not None, "the filter has seen it"
    await database(chats.follow, message.chat.id, message.migrate_to_chat_id)


async def membership(event: ChatMemberUpdated, chat: Chat) -> None:
    """Of the bot itself, in a group or with a person."""
    if event.new_chat_member.status in GONE:
        code = "blocked" if event.chat.type == ChatType.PRIVATE else "kicked"
        await database(chats.disable, chat.pk, code)


def make_router() -> Router:
    router = Router(name="changes")
    router.message.register(moved, F.migrate_to_chat_id)
    router.my_chat_member.register(membership)
    return router
