"""Sends by the Telegram Bot API, at any address that speaks it (settings.TELEGRAM_API_URL).

One event loop, one session and so one pool of connections for each process, made when it first sends: a pool's
process must not share what its parent opened. The loop runs in a thread of its own, so that threads can share it
and the wait for it is bounded.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any

from aiogram import Bot
from aiogram.types import LinkPreviewOptions
from django.conf import settings

from notifier import limits
from notifier.backends.base import Backend, Busy, TemporaryError
from notifier.backends.patience import patience
from notifier.backends.telegram_errors import migrated_to, translated
from notifier.backends.telegram_session import make_bot

# Seconds beyond the session's own time limit, for the loop to notice it.
SLACK = 2


class _Sender:
    """A bot and the loop that it lives in."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="telegram", daemon=True).start()
        self.bot = self.run(self._make())

    async def _make(self) -> Bot:
        return make_bot()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(settings.TELEGRAM_TIMEOUT_SECONDS + SLACK)
        except TimeoutError as error:
            raise TemporaryError("Telegram gave no answer in time", maybe_sent=True) from error
        finally:
            # Also where the task's soft time limit broke the wait: nothing may go on in the background.
            future.cancel()

    def close(self) -> None:
        self.run(self.bot.session.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


_senders: dict[tuple[int, str, str], _Sender] = {}
_lock = threading.Lock()


def _new_lock() -> None:
    """A fork while another thread holds the lock would leave it locked in the child for ever."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)


def _sender() -> _Sender:
    """This process' sender for the settings of now; what was inherited by a fork is left alone."""
    key = (os.getpid(), settings.TELEGRAM_API_URL, settings.BOT_TOKEN)
    with _lock:
        if key not in _senders:
            _senders[key] = _Sender()
        return _senders[key]


def close() -> None:
    """Close what this process has opened."""
    with _lock:
        for key in [key for key in _senders if key[0] == os.getpid()]:
            _senders.pop(key).close()


class TelegramBackend(Backend):
    def send(self, chat_id: int, text: str) -> int | None:
        if wait := limits.take(chat_id):
            raise Busy("Telegram's limits", retry_after=wait)
        with patience("Telegram", settings.TELEGRAM_TIMEOUT_SECONDS), translated():
            sender = _sender()
            moved_to: int | None = sender.run(_send(sender.bot, chat_id, text))
        return moved_to

    def check(self) -> str:
        """getMe, in a loop of its own: it is asked where no message is sent (at start, by a command)."""
        with translated():
            return asyncio.run(_who_am_i())


async def _send(bot: Bot, chat_id: int, text: str) -> int | None:
    """Returns where the message went instead, if so."""
    try:
        await _send_plain(bot, chat_id, text)
    except Exception as error:
        # A group that became a supergroup has a new id, and says which.
        new_id = migrated_to(error)
        if new_id is None:
            raise
        await _send_plain(bot, new_id, text)
        return new_id
    return None


async def _send_plain(bot: Bot, chat_id: int, text: str) -> None:
    await bot.send_message(chat_id, text, parse_mode=None, link_preview_options=LinkPreviewOptions(is_disabled=True))


async def _who_am_i() -> str:
    async with make_bot() as bot:
        return f"@{(await bot.get_me()).username}"
