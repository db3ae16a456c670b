"""An aiogram bot over settings.TELEGRAM_API_URL whose errors never contain the token.

The token is part of every Bot API address, and aiohttp's errors quote addresses.
"""

from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError, TelegramNetworkError
from aiohttp import ClientConnectorError, ConnectionTimeoutError
from django.conf import settings

# Of an answer that isn't the Bot API's: enough to see what it is (a proxy's page …).
QUOTED = 200
NEVER_CONNECTED = (ClientConnectorError, ConnectionTimeoutError)


class NetworkError(TelegramNetworkError):
    """`maybe_sent`: there was a connection and no answer, so the message may be out."""

    def __init__(self, method: Any, message: str, cause: BaseException | None = None) -> None:
        super().__init__(method, message)
        self.maybe_sent = cause is not None and not isinstance(cause, NEVER_CONNECTED)


class Session(AiohttpSession):
    async def make_request(self, bot: Bot, method: Any, timeout: int | None = None) -> Any:
        # "from None": the cause would carry the address into a traceback.
        try:
            return await super().make_request(bot, method, timeout)
        except TelegramNetworkError as error:
            raise NetworkError(method, _redacted(error.message, bot), error.__cause__) from None
        except ClientDecodeError as error:
            content = _redacted(str(error.data), bot)[:QUOTED]
            raise NetworkError(method, f"not the Bot API's answer: {content!r}") from None


def _redacted(text: str, bot: Bot) -> str:
    secret = bot.token.partition(":")[2]
    return text.replace(bot.token, "<token>").replace(secret, "<token>")


def make_bot() -> Bot:
    """A new bot with a session of its own, for the running loop.

    Raises aiogram's TokenValidationError where BOT_TOKEN can't be one.
    """
    api = TelegramAPIServer.from_base(settings.TELEGRAM_API_URL.rstrip("/"))
    return Bot(settings.BOT_TOKEN, session=Session(api=api, timeout=settings.TELEGRAM_TIMEOUT_SECONDS))
