"""System checks of who may use the API."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from project.accounts.throttling import rate

RATES = ("THROTTLE_TOKEN", "THROTTLE_ANONYMOUS", "THROTTLE_TELEGRAM_ID")


@register(Tags.security, deploy=True)
def check_anonymous_requests(**_: Any) -> list[CheckMessage]:
    if not settings.ALLOW_ANONYMOUS_REQUESTS:
        return []
    text = "ALLOW_ANONYMOUS_REQUESTS is on: anybody can have the bot write to anybody."
    hint = "Set ALLOW_ANONYMOUS_REQUESTS=false and make tokens in the admin for those who may ask."
    return [Error(text, hint=hint, id="accounts.E001")]


@register
def check_rates(**_: Any) -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    for name in RATES:
        try:
            rate(getattr(settings, name))
        except ValueError as error:
            errors.append(Error(f"{name}: {error}", hint="Empty means no limit.", id="accounts.E002"))
    return errors
