"""Tells which delivery backend is on, and whether it can work."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifier.startup import check_backend


class Command(BaseCommand):
    help = (
        "Tells which delivery backend is on. With telegram it asks the Bot API who the bot is: ends with 1 where "
        "BOT_TOKEN is missing, malformed or refused, and only warns where the Bot API can't be reached."
    )
    # This command says in one line what the checks would say.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        state = check_backend()
        if state.level >= logging.ERROR:
            raise CommandError(state.text)
        stream = self.stderr if state.level == logging.WARNING else self.stdout
        stream.write(state.text)
