"""/rate USD, /convert, and what is sent without a command: "usd", "доллар", "100 usd in eur"."""

from decimal import ROUND_HALF_EVEN, Decimal

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from notifier import dispatch, texts
from notifier.bot import words
from notifier.bot.database import database
from notifier.bot.replies import reply, send
from rates.conversion import Conversion, NoRate, convert

# What a bare /convert and a bare sum of roubles are turned into.
FIRST = "USD"
# Of a result: as many places as money has, and more digits where it would be nothing.
PLACES, DIGITS = Decimal("0.01"), 4


async def rate(message: Message, command: CommandObject) -> None:
    await answer(message, command.args or "", "rate_hint")


async def converted(message: Message, command: CommandObject) -> None:
    asked = words.parse(command.args or "")
    if asked is None:
        await hint(message, command.args or "", "convert_hint")
    else:
        await send(message, await database(conversion, asked))


async def talk(message: Message) -> None:
    """Anything else in a private chat."""
    text = message.text or ""
    await answer(message, text, "command_hint" if text.startswith("/") else "hint")


async def answer(message: Message, text: str, otherwise: str) -> None:
    """A rate is sent by the chain, as every rate request; a conversion is answered here. Else a hint."""
    asked = words.parse(text)
    if asked is None:
        await hint(message, text, otherwise)
    elif asked.is_conversion:
        await send(message, await database(conversion, asked))
    else:
        await database(dispatch.ask, asked.source, message.chat.id)


async def hint(message: Message, text: str, template: str) -> None:
    """What would work, with what may have been meant."""
    await reply(message, template, similar=words.similar(text))


def conversion(asked: words.Asked) -> str:
    """The answer to an amount, or that there is no such rate."""
    target = asked.target or (FIRST if asked.source == words.RUB else words.RUB)
    try:
        found = convert(asked.amount or Decimal(1), asked.source, target)
    except NoRate as error:
        return texts.render("bot/no_rate", char_code=error.char_code)
    return texts.render("bot/conversion", **figures(found))


def figures(found: Conversion) -> dict[str, object]:
    """What a template says of a conversion."""
    return {
        "amount": texts.number(short(found.amount)),
        "source": found.source,
        "result": texts.number(rounded(found.result)),
        "target": found.target,
        "legs": [
            {
                "nominal": texts.number(leg.nominal),
                "code": leg.char_code,
                "value": texts.number(short(leg.value)),
            }
            for leg in (found.source_rate, found.target_rate)
            if leg is not None
        ],
        "date": texts.date(found.date),
    }


def rounded(result: Decimal) -> Decimal:
    """To kopecks; what is less than one, to four digits that say something: 0.0001234."""
    if result == 0:
        return result
    places = PLACES if result >= 1 else Decimal(1).scaleb(result.adjusted() - DIGITS + 1)
    return result.quantize(places, ROUND_HALF_EVEN)


def short(value: Decimal) -> Decimal:
    """Without zeros at the end and without an exponent."""
    return value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()


def make_router() -> Router:
    router = Router(name="rates")
    router.message.register(rate, Command("rate"))
    router.message.register(converted, Command("convert"))
    return router


def make_talk() -> Router:
    """What no other router has taken."""
    router = Router(name="talk")
    # In a group people talk to each other: only the commands are meant for us there.
    router.message.register(talk, F.chat.type == ChatType.PRIVATE, F.text)
    return router
