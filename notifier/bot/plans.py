"""/subscribe, /alert, /list, /delete: what a chat is sent without asking each time."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message
from django.utils import timezone

from notifier import alerts, clock, subscriptions, texts
from notifier.bot import words
from notifier.bot.database import database
from notifier.bot.replies import reply, send
from notifier.models import Alert, Chat, Subscription

TIME = re.compile(r"(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d))?(?:\s+(?P<zone>\S.*))?")
RULE = re.compile(r"(?P<what>.+?)\s*(?P<sign>>|<|±|\+/?-)\s*(?P<number>[\d\s.,]+?)\s*(?P<percent>%?)")
KINDS = {">": Alert.Kind.ABOVE, "<": Alert.Kind.BELOW}
LARGEST = Decimal(10**9)


def parse_time(text: str, default_zone: str) -> tuple[dt.time, ZoneInfo] | None:
    """ "9:00", "9", "9.30 Asia/Almaty" """
    match = TIME.fullmatch(text.strip()) if len(text) <= words.LONGEST else None
    zone = clock.zone(match["zone"] or default_zone) if match else None
    if match is None or zone is None:
        return None
    return dt.time(int(match["hour"]), int(match["minute"] or 0)), zone


def parse_rule(text: str) -> tuple[str, str, Decimal] | None:
    """ "USD > 95", "доллар<90", "usd ±2%" """
    match = RULE.fullmatch(text.strip()) if len(text) <= words.LONGEST else None
    if match is None:
        return None
    code, threshold = words.currency(match["what"]), words.number(match["number"])
    kind = KINDS.get(match["sign"], Alert.Kind.CHANGE)
    is_change = kind == Alert.Kind.CHANGE
    if code is None or code == words.RUB or threshold is None or bool(match["percent"]) != is_change:
        return None
    # A fall of 100 % is never reached.
    fits = threshold < 100 if is_change else threshold < LARGEST
    return (code, kind, threshold) if fits else None


async def subscribe(message: Message, command: CommandObject, chat: Chat) -> None:
    wanted = parse_time(command.args or "", chat.zone)
    if wanted is None:
        await reply(message, "subscribe_hint", zone=chat.zone)
        return
    try:
        made = await database(subscriptions.subscribe, chat, *wanted)
    except subscriptions.TooMany:
        await reply(message, "too_many", most=subscriptions.MOST)
    else:
        await reply(message, "subscribed", number=f"d{made.pk}", codes=chat.favourites, **subscription(made))


async def alert(message: Message, command: CommandObject, chat: Chat) -> None:
    wanted = parse_rule(command.args or "")
    if wanted is None:
        await reply(message, "alert_hint")
        return
    try:
        made, rate = await database(alerts.add, chat, *wanted)
    except alerts.TooMany:
        await reply(message, "too_many", most=alerts.MOST)
    except alerts.NoSuchRate:
        await reply(message, "no_rate", char_code=wanted[0])
    else:
        context = {"what": texts.alert(made), "armed": made.armed, "kind": made.kind, "rate": texts.number(rate)}
        await reply(message, "alert_made", number=f"a{made.pk}", char_code=made.char_code, **context)


async def list_(message: Message, chat: Chat) -> None:
    await send(message, await database(plans, chat))


async def delete(message: Message, command: CommandObject, chat: Chat) -> None:
    number = (command.args or "").strip().casefold()
    deleted = await database(remove, chat.pk, number)
    await reply(message, "deleted" if deleted else "delete_hint", number=number)


def plans(chat: Chat) -> str:
    digests = [{"number": f"d{row.pk}", **subscription(row)} for row in Subscription.objects.filter(chat=chat)]
    rules = [
        {"number": f"a{row.pk}", "what": texts.alert(row), "armed": row.armed}
        for row in Alert.objects.filter(chat=chat)
    ]
    return texts.render("bot/list", digests=digests, alerts=rules)


def subscription(row: Subscription) -> dict[str, Any]:
    """What templates say of a digest."""
    local, today = row.local(row.next_at), row.local(timezone.now()).date()
    return {
        "at": texts.clock(row.at),
        "zone": row.zone,
        "next": texts.date(local.date()),
        "today": local.date() == today,
    }


def remove(chat_id: int, number: str) -> bool:
    """Delete what /list calls "d7" or "a7", where it is this chat's."""
    match = re.fullmatch(r"([da])(\d{1,18})", number)
    if match is None:
        return False
    model: type[Subscription] | type[Alert] = Subscription if match[1] == "d" else Alert
    deleted, _ = model.objects.filter(pk=int(match[2]), chat_id=chat_id).delete()
    return bool(deleted)


def make_router() -> Router:
    router = Router(name="plans")
    router.message.register(subscribe, Command("subscribe"))
    router.message.register(alert, Command("alert"))
    router.message.register(list_, Command("list"))
    router.message.register(delete, Command("delete"))
    return router
