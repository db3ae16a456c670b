"""The bot's process."""

import asyncio
import os
from typing import Any

from aiogram.exceptions import TelegramNotFound, TelegramUnauthorizedError
from aiogram.utils.token import TokenValidationError
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from notifier.bot import app
from notifier.checks import check_webhook
from project import metrics


def _refused(what: str) -> CommandError:
    """Starting again with the same settings is no use: bin/run doesn't."""
    return CommandError(what, returncode=os.EX_CONFIG)


class Command(BaseCommand):
    help = "Serves the Telegram bot by long polling (or a webhook, see TELEGRAM_WEBHOOK_URL), until SIGTERM or Ctrl-C."
    # BOT_TOKEN is told in one line below.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.BOT_TOKEN:
            raise _refused("BOT_TOKEN is not set: take one from @BotFather.")
        for problem in check_webhook():
            raise _refused(f"{problem.msg} {problem.hint}")
        metrics.serve()
        try:
            asyncio.run(app.run())
        except TokenValidationError:
            raise _refused("BOT_TOKEN is malformed: it looks like 123456:ABC…") from None
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise _refused(f"Telegram refuses BOT_TOKEN: {error.message}") from None
        except KeyboardInterrupt:
            pass
