"""Telegram's answers, sorted by what we do next. https://core.telegram.org/bots/api#making-requests"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiogram import exceptions as telegram
from aiogram.utils.token import TokenValidationError

from notifier.backends.base import PermanentError, TemporaryError

# Permanent errors, by a part of Telegram's description (in small letters).
CODES = {
    "chat not found": "chat_not_found",
    "bot can't initiate conversation": "chat_not_found",
    "bot was blocked": "blocked",
    "user is deactivated": "deactivated",
    "bot was kicked": "kicked",
    "not enough rights": "no_rights",
    "have no rights": "no_rights",
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise aiogram's errors as PermanentError or TemporaryError."""
    try:
        yield
    except telegram.TelegramRetryAfter as error:
        raise TemporaryError(error.message, retry_after=error.retry_after) from None
    except TokenValidationError:
        raise PermanentError("bad_token", "BOT_TOKEN is malformed") from None
    except (telegram.TelegramUnauthorizedError, telegram.TelegramNotFound) as error:
        # 404 is Telegram's answer to what isn't even the form of a token.
        raise PermanentError("bad_token", f"Telegram refuses BOT_TOKEN: {error.message}") from None
    except (telegram.TelegramForbiddenError, telegram.TelegramBadRequest) as error:
        raise PermanentError(_code(error), error.message) from None
    except telegram.TelegramMigrateToChat as error:
        raise PermanentError("migrated", error.message) from None
    except telegram.TelegramNetworkError as error:
        raise TemporaryError(error.message, maybe_sent=getattr(error, "maybe_sent", True)) from None
    except telegram.TelegramAPIError as error:
        # 5xx, no connection, cut connection, no answer in time, an answer that isn't the Bot API's.
        raise TemporaryError(error.message) from None


def _code(error: telegram.TelegramAPIError) -> str:
    description = error.message.lower()
    default = "forbidden" if isinstance(error, telegram.TelegramForbiddenError) else "bad_request"
    return next((code for part, code in CODES.items() if part in description), default)


def migrated_to(error: Exception) -> int | None:
    return error.migrate_to_chat_id if isinstance(error, telegram.TelegramMigrateToChat) else None
