"""The scheduler of beat: django-celery-beat's, whose turns are its heartbeat (see project.ready)."""

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from project import ready


class Scheduler(DatabaseScheduler):
    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """A turn comes every five seconds at the latest."""
        wait = super().tick(*args, **kwargs)
        ready.touch()
        return wait
