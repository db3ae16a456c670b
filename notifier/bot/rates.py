"""/rate USD, and a code sent by itself: a rate request for this chat."""

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import Message
from asgiref.sync import sync_to_async

from notifier import dispatch, texts
from notifier.serializers import CHAR_CODE


async def rate(message: Message, command: CommandObject) -> None:
    await answer(message, command.args or "")


async def code(message: Message) -> None:
    await answer(message, message.text or "")


async def answer(message: Message, text: str) -> None:
    """Ask for the rate: the chain sends the answer. Anything but a code gets a hint."""
    char_code = text.strip().upper()
    if not CHAR_CODE.fullmatch(char_code):
        await message.answer(texts.render("bot/hint"))
        return
    await sync_to_async(dispatch.ask)(char_code, message.chat.id)


def make_router() -> Router:
    router = Router(name="rates")
    router.message.register(rate, Command("rate"))
    # In a group people talk to each other: only the command is meant for us there.
    router.message.register(code, F.chat.type == ChatType.PRIVATE)
    return router
