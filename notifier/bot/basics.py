"""/start, /help, /lang, /stop."""

from aiogram import Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import Message

from notifier import chats, texts
from notifier.bot.database import database
from notifier.bot.replies import reply
from notifier.models import Chat


async def start(message: Message) -> None:
    await reply(message, "start")


async def help_(message: Message) -> None:
    await reply(message, "help")


async def lang(message: Message, command: CommandObject, chat: Chat) -> None:
    wanted = (command.args or "").strip().casefold()
    if wanted not in texts.LANGUAGES:
        await reply(message, "lang_hint")
        return
    await database(chats.speak, chat.pk, wanted)
    with texts.speaking(wanted):
        await reply(message, "lang")


async def stop(message: Message, chat: Chat) -> None:
    await reply(message, "stop", count=await database(chats.stop, chat.pk))


def make_router() -> Router:
    router = Router(name="basics")
    router.message.register(start, CommandStart())
    router.message.register(help_, Command("help"))
    router.message.register(lang, Command("lang"))
    router.message.register(stop, Command("stop"))
    return router
