"""The relay's process."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from notifier.relay import Relay
from project import metrics, ready, tracing
from project.celery import settle


class Command(BaseCommand):
    help = "Publishes accepted requests the moment they are committed, until SIGTERM or Ctrl-C. More than one may run."

    def handle(self, *args: Any, **options: Any) -> None:
        metrics.serve()
        settle()
        tracing.start("relay")
        relay = Relay()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: relay.stop())
        ready.ready()
        relay.run()
