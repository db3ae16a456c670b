"""/start and /help."""

from aiogram import Router
from aiogram.filters import Command, CommandStart
from aiogram.types import Message

from notifier import texts


async def start(message: Message) -> None:
    await message.answer(texts.render("bot/start"))


async def help_(message: Message) -> None:
    await message.answer(texts.render("bot/help"))


def make_router() -> Router:
    router = Router(name="basics")
    router.message.register(start, CommandStart())
    router.message.register(help_, Command("help"))
    return router
