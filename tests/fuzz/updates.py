"""What Telegram may bring the bot: whatever people write or press, it is handled without an error."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.methods import EditMessageText, GetMe, SendMessage, SendPhoto, TelegramMethod
from aiogram.types import Chat, Message, User
from hypothesis import strategies as st

from notifier.bot.app import InHand, dispatcher
from tests.fuzz.runner import Input
from tests.standins.telegram import BOT, TOKEN, State

WORDS = st.sampled_from(
    """/start /help /rate /rates /convert /chart /history /subscribe /alert /list /delete /stop /lang /nonsense
    /rate@rates_standin_bot /rate@other_bot usd eur USD RUB XXX доллар юаней $ € ¥ 100 0 -1 1e9 99999999999999999999 0,5
    1 000 in в -> / = > < ≥ ± ±2% 5% 30d 1y 1г 0d 9999y 9:00 25:00 9 02:30 Asia/Almaty almaty Mars/Base ru en d1 a1 a0
    d99999999999999999999 <b> &amp; \u202e \U0001f600 ١٢٣""".split()
)
TEXTS = st.lists(WORDS | st.text(max_size=12), min_size=1, max_size=6).map(" ".join) | st.text(min_size=1)
CHATS = st.sampled_from([42, 43, -77, -1001234567890])
LANGUAGES = st.sampled_from(["ru", "en", "de", "", "ru-RU", None])
DATA = st.tuples(
    st.sampled_from(["rates", "choose", "toggle", "no"]),
    st.lists(st.sampled_from(["USD", "XXX", "0", "-1", "999", ""])),
).map(lambda drawn: ":".join([drawn[0], *drawn[1]]))
PRESSED = st.fixed_dictionaries({"data": DATA | st.text(max_size=20)})
TOLD = st.fixed_dictionaries({"text": TEXTS})
ASKED = st.fixed_dictionaries({"query": st.just("") | TEXTS})
OTHER = st.sampled_from(
    [
        *[{"contact": {"phone_number": "1", "first_name": "x"}}, {"location": {"latitude": 1, "longitude": 1}}, {}],
        *[{"migrate_to_chat_id": -1001234567891}, {"new_chat_title": "x"}, {"caption": "usd"}],
    ]
).map(lambda kind: {"other": kind})
CASES = st.tuples(CHATS, LANGUAGES, TOLD | PRESSED | ASKED | OTHER)


class Silent(BaseSession):
    """Takes all that the bot says."""

    async def close(self) -> None:
        pass

    async def make_request(self, bot: Bot, method: TelegramMethod[Any], timeout: int | None = None) -> Any:
        if isinstance(method, SendMessage | SendPhoto | EditMessageText):
            chat = Chat(id=int(method.chat_id or 0), type="private")
            return Message(message_id=1, date=dt.datetime.now(dt.UTC), chat=chat)
        return User.model_validate(BOT) if isinstance(method, GetMe) else True

    async def stream_content(self, *args: Any, **kwargs: Any) -> AsyncGenerator[bytes, None]:
        yield b""


class Complaints(logging.Handler):
    """The errors that the bot has logged: it survives them, but none should be."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Answer:
    """One bot for all cases, in one loop."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.state = State()
        self.complaints = Complaints()
        logging.getLogger("notifier").addHandler(self.complaints)
        self.dispatcher = dispatcher(InHand())
        self.bot = Bot(TOKEN, session=Silent())

    def __call__(self, drawn: tuple[int, str | None, dict[str, Any]]) -> str:
        chat_id, language, what = drawn
        self.complaints.records.clear()
        self.runner.run(self.dispatcher.feed_raw_update(self.bot, self.update(chat_id, language, what)))
        for record in self.complaints.records:
            raise AssertionError(record.getMessage()) from (record.exc_info or [None, None])[1]
        return next(iter(what))

    def update(self, chat_id: int, language: str | None, what: dict[str, Any]) -> dict[str, Any]:
        """As Telegram sends it."""
        self.state.updates.clear()
        person = {"id": abs(chat_id), "is_bot": False, "first_name": "Ada", "language_code": language}
        if "text" in what:
            self.state.add_text(chat_id, what["text"], language_code=language)
        elif "data" in what:
            self.state.add_press(chat_id, what["data"])
        elif "query" in what:
            query = {"id": "1", "from": person, "query": what["query"], "offset": ""}
            self.state.add_update({"inline_query": query})
        else:
            self.state.add_text(chat_id, "")
            message = self.state.updates[-1]["message"]
            del message["text"]
            message.update(what["other"])
        return self.state.updates[-1]


def inputs() -> Iterator[Input]:
    """The database gets chats, plans and requests."""
    yield Input("bot updates", CASES, Answer())
