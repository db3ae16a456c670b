"""The application that tells people their rate."""

from django.apps import AppConfig


class NotifierConfig(AppConfig):
    name = "notifier"
    verbose_name = "Rate requests"

    def ready(self) -> None:
        # Each registers what it defines: system checks, Celery's signals.
        from notifier import checks, progress, startup  # noqa: F401
