"""manage.py load_bundled_rates"""

from typing import Any

from django.core.management.base import BaseCommand

from rates import cache
from rates.history import load_bundled
from rates.store import newest_stored_date


class Command(BaseCommand):
    help = (
        "Stores the recorded sheets and series that come with the project, so that there are rates without "
        "internet. What is stored already stays; a second run changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        sheets, rates = load_bundled()
        if rates:
            cache.forget()
        self.stdout.write(f"bundled: {sheets} sheets and {rates} rates added; newest {newest_stored_date()}")
