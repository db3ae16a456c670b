"""How the bot answers: templates in the chat's language, as HTML (templates escape), in parts that Telegram takes."""

from typing import Any

from aiogram.enums import ParseMode
from aiogram.types import InlineKeyboardMarkup, LinkPreviewOptions, Message

from notifier import texts
from notifier.parts import split

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


async def reply(message: Message, template: str, /, **context: Any) -> None:
    await send(message, texts.render(f"bot/{template}", **context))


async def send(message: Message, html: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
    """A long text in parts, the keyboard below the last."""
    parts = split(html)
    for part in parts:
        await message.answer(
            part,
            parse_mode=ParseMode.HTML,
            link_preview_options=NO_PREVIEW,
            reply_markup=keyboard if part is parts[-1] else None,
        )
