"""manage.py prepare"""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from notifier import requests
from notifier.startup import check_backend

ADMIN = "admin"


class Command(BaseCommand):
    help = (
        "Makes the database ready: migrations, the bundled rates, and the user `admin` with ADMIN_PASSWORD where that "
        "is set and there is no such user yet. A second run changes nothing. Tells which delivery backend is on, and "
        "whether it can work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queue-is-lost",
            action="store_true",
            help="the broker has forgotten what waited in it: requests that have not ended are published again",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.SECURE:
            # Before anything else starts; what is unsafe is told with a hint.
            call_command("check", deploy=True, fail_level="ERROR", stdout=self.stdout, stderr=self.stderr)
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        call_command("load_bundled_rates", stdout=self.stdout)
        if options["queue_is_lost"]:
            self.stdout.write(f"unfinished: {requests.queue_is_lost()} requests are published again")
        if settings.ADMIN_PASSWORD:
            self.stdout.write(f"admin: {self._admin(settings.ADMIN_PASSWORD)}")
        # A wrong BOT_TOKEN is told here, before anything starts; a right one may come later, so it is no failure.
        self.stdout.write(f"delivery: {check_backend().text}")

    def _admin(self, password: str) -> str:
        """ "made", "kept" or "changed" (somebody has given the user another password, which stays)."""
        users = get_user_model()
        user = users.objects.filter(username=ADMIN).first()
        if user is None:
            users.objects.create_superuser(ADMIN, password=password)
            return "made"
        return "kept" if user.check_password(password) else "changed"
