"""Inline mode: "@bot 100 usd" in any chat offers answers to send there."""

import hashlib
from decimal import Decimal

from aiogram import Router
from aiogram.types import InlineQuery, InlineQueryResultArticle, InputTextMessageContent

from notifier import digest, texts
from notifier.bot import words
from notifier.bot.database import database
from notifier.bot.rates import FIRST, figures
from notifier.bot.replies import NO_PREVIEW
from notifier.models import Chat
from rates.changes import with_changes
from rates.conversion import Conversion, NoRate, convert

# How long Telegram may show the same answers, in seconds.
CACHE_SECONDS = 60
# Offered where a query can't be understood (yet: each letter typed asks again).
MOST = 10


async def inline(query: InlineQuery, chat: Chat) -> None:
    found = await database(answers, query.query, chat.favourites)
    # The favourites are a person's own, so are the answers.
    await query.answer(list(found), cache_time=CACHE_SECONDS, is_personal=True)


def answers(text: str, favourites: list[str]) -> list[InlineQueryResultArticle]:
    asked = words.parse(text) if text.strip() else None
    if text.strip() and asked is None:
        codes = words.similar(text)
        return [article(words.Asked(code)) for code in available(codes)]
    if asked is None:
        return [article(words.Asked(code)) for code in available(favourites[:MOST])]
    try:
        return [article(asked)]
    except NoRate:
        return []


def available(codes: list[str]) -> list[str]:
    """Those that the newest sheet has, in the same order."""
    found = {change.rate.currency.char_code for change in with_changes(codes=codes)} if codes else set()
    return [code for code in codes if code in found]


def article(asked: words.Asked) -> InlineQueryResultArticle:
    """Raises NoRate."""
    target = asked.target or (FIRST if asked.source == words.RUB else words.RUB)
    found: Conversion = convert(asked.amount or Decimal(1), asked.source, target)
    message = texts.render("bot/inline", name=digest.name(found.source), **figures(found))
    title, _, description = message.partition("\n")
    return InlineQueryResultArticle(
        id=hashlib.sha256(message.encode()).hexdigest()[:32],
        title=title,
        description=description.partition("\n")[0],
        input_message_content=InputTextMessageContent(message_text=message, link_preview_options=NO_PREVIEW),
    )


def make_router() -> Router:
    router = Router(name="inline")
    router.inline_query.register(inline)
    return router
