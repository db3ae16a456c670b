"""The bot's process."""

import asyncio
from typing import Any

from aiogram.exceptions import TelegramNotFound, TelegramUnauthorizedError
from aiogram.utils.token import TokenValidationError
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from notifier.bot import app
from notifier.checks import check_webhook
from project import metrics


class Command(BaseCommand):
    help = "Serves the Telegram bot by long polling (or a webhook, see TELEGRAM_WEBHOOK_URL), until SIGTERM or Ctrl-C."
    # BOT_TOKEN is told in one line below.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.BOT_TOKEN:
            raise CommandError("BOT_TOKEN is not set: take one from @BotFather.")
        for problem in check_webhook():
            raise CommandError(f"{problem.msg} {problem.hint}")
        metrics.serve()
        try:
            asyncio.run(app.run())
        except TokenValidationError:
            raise CommandError("BOT_TOKEN is malformed: it looks like 123456:ABC…") from None
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise CommandError(f"Telegram refuses BOT_TOKEN: {error.message}") from None
        except KeyboardInterrupt:
            pass
