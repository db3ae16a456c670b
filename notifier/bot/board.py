"""/rates: the favourites with their changes, and a keyboard to choose them."""

from aiogram import Router
from aiogram.enums import ParseMode
from aiogram.exceptions import TelegramBadRequest
from aiogram.filters import Command
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message
from aiogram.utils.keyboard import InlineKeyboardBuilder
from django.utils.html import escape

from notifier import chats, digest, texts
from notifier.bot.database import database
from notifier.bot.replies import send
from notifier.models import Chat
from rates.changes import with_changes

# Buttons on a page and in a row.
PAGE, ROW = 24, 4


class Show(CallbackData, prefix="rates"):
    """Back to the table; from there, "rates" again is a look at newer rates."""


class Choose(CallbackData, prefix="choose"):
    """A page of all currencies."""

    page: int = 0


class Toggle(CallbackData, prefix="toggle"):
    """Put a currency on the list or take it off; the page stays."""

    code: str
    page: int = 0


async def rates(message: Message, chat: Chat) -> None:
    await send(message, *await database(table, chat.favourites))


async def show(query: CallbackQuery, chat: Chat) -> None:
    await edit(query, *await database(table, chat.favourites))


async def choose(query: CallbackQuery, callback_data: Choose, chat: Chat) -> None:
    await edit(query, *await database(choice, chat.favourites, callback_data.page))


async def toggle(query: CallbackQuery, callback_data: Toggle, chat: Chat) -> None:
    favourites = await database(chats.toggle_favourite, chat.pk, callback_data.code)
    await edit(query, *await database(choice, favourites, callback_data.page))


async def edit(query: CallbackQuery, html: str, keyboard: InlineKeyboardMarkup) -> None:
    """Change the message that the button belongs to, and end the button's waiting."""
    try:
        if isinstance(query.message, Message):
            await query.message.edit_text(html, parse_mode=ParseMode.HTML, reply_markup=keyboard)
    except TelegramBadRequest as error:
        # A second press, or rates that are the same still.
        if "not modified" not in error.message:
            raise
    finally:
        await query.answer()


def table(favourites: list[str]) -> tuple[str, InlineKeyboardMarkup]:
    keyboard = InlineKeyboardBuilder()
    keyboard.button(text=texts.render("bot/button_refresh"), callback_data=Show())
    keyboard.button(text=texts.render("bot/button_choose"), callback_data=Choose())
    keyboard.adjust(2)
    return escape(digest.text(favourites)), InlineKeyboardMarkup(inline_keyboard=keyboard.export())


def choice(favourites: list[str], page: int) -> tuple[str, InlineKeyboardMarkup]:
    """A page of the newest sheet's currencies, the chosen ones marked."""
    codes = [change.rate.currency.char_code for change in with_changes()]
    pages = max((len(codes) - 1) // PAGE + 1, 1)
    page = min(max(page, 0), pages - 1)
    keyboard = InlineKeyboardBuilder()
    for code in codes[page * PAGE : (page + 1) * PAGE]:
        mark = "✓ " if code in favourites else ""
        keyboard.button(text=f"{mark}{code}", callback_data=Toggle(code=code, page=page))
    keyboard.adjust(ROW)
    others = [("←", page - 1), ("→", page + 1)]
    turns = [button(sign, Choose(page=other)) for sign, other in others if 0 <= other < pages]
    keyboard.row(*turns, button(texts.render("bot/button_done"), Show()))
    return texts.render("bot/choose", codes=favourites, most=chats.MOST_FAVOURITES), keyboard.as_markup()


def button(text: str, data: CallbackData) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, callback_data=data.pack())


def make_router() -> Router:
    router = Router(name="board")
    router.message.register(rates, Command("rates"))
    router.callback_query.register(show, Show.filter())
    router.callback_query.register(choose, Choose.filter())
    router.callback_query.register(toggle, Toggle.filter())
    return router
