"""System checks of the notifier's settings."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from notifier.backends import SHORT_NAMES, backend_class
from notifier.texts import LANGUAGES


@register
def check_backend(**_: Any) -> list[CheckMessage]:
    name = settings.NOTIFIER_BACKEND
    try:
        backend_class(name)
    except ImportError as error:
        hint = f"Use one of {', '.join(SHORT_NAMES)}, or the dotted path of a notifier.backends.Backend."
        return [Error(f"NOTIFIER_BACKEND is {name!r}: {error}", hint=hint, id="notifier.E001")]
    return []


@register
def check_language(**_: Any) -> list[CheckMessage]:
    language = settings.NOTIFIER_LANGUAGE
    if language in LANGUAGES:
        return []
    hint = f"Use one of {', '.join(LANGUAGES)}."
    return [Error(f"NOTIFIER_LANGUAGE is {language!r}.", hint=hint, id="notifier.E002")]


@register
def check_token(**_: Any) -> list[CheckMessage]:
    """Only a warning: all but the messages works without a token."""
    if settings.NOTIFIER_BACKEND != "telegram":
        return []
    # Here, not above: aiogram takes two seconds to import, and every process runs these checks.
    from aiogram.utils.token import TokenValidationError, validate_token

    try:
        validate_token(settings.BOT_TOKEN)
    except TokenValidationError:
        what = "malformed" if settings.BOT_TOKEN else "empty"
        hint = "Take it from @BotFather, it looks like 123456:ABC…; or set NOTIFIER_BACKEND=console."
        return [Warning(f"BOT_TOKEN is {what}.", hint=hint, id="notifier.W001")]
    return []


@register
def check_kept_days(**_: Any) -> list[CheckMessage]:
    if settings.REQUESTS_KEPT_DAYS >= 0:
        return []
    hint = "Use a number of days, or 0 to keep all requests."
    return [Error(f"REQUESTS_KEPT_DAYS is {settings.REQUESTS_KEPT_DAYS}.", hint=hint, id="notifier.E030")]


@register
def check_webhook(**_: Any) -> list[CheckMessage]:
    """Telegram posts to https only, and whoever knows the address could post too without the secret."""
    url = settings.TELEGRAM_WEBHOOK_URL
    found: list[CheckMessage] = []
    if not url:
        return []
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        hint = (
            "Use the https:// address of a proxy that passes on to TELEGRAM_WEBHOOK_HOST and _PORT; or leave it empty."
        )
        found.append(Error(f"TELEGRAM_WEBHOOK_URL is {url!r}.", hint=hint, id="notifier.E003"))
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", settings.TELEGRAM_WEBHOOK_SECRET):
        hint = "Set 16 to 256 letters, digits, _ or -: openssl rand -hex 32 prints some."
        found.append(Error("TELEGRAM_WEBHOOK_SECRET is missing or unfit.", hint=hint, id="notifier.E004"))
    return found


@register
def check_limits(**_: Any) -> list[CheckMessage]:
    names = ("MESSAGES_PER_SECOND", "CHAT_INTERVAL_SECONDS", "GROUP_MESSAGES_PER_MINUTE")
    negative = [name for name in names if (getattr(settings, f"TELEGRAM_{name}") or 0) < 0]
    found: list[CheckMessage] = [
        Error(f"TELEGRAM_{name} is negative.", hint="0 is no limit.", id="notifier.E005") for name in negative
    ]
    if settings.TELEGRAM_LIMIT_PROCESSES < 1:
        found.append(Error("TELEGRAM_LIMIT_PROCESSES is below 1.", id="notifier.E006"))
    return found
