"""The Django application of the project itself: it makes the Celery app the current one in every process."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        # `project/__init__.py` stays empty so that project.kafka can be imported without Django;
        # tasks declared with @shared_task therefore find their app here.
        from project import celery, checks, logs, metrics  # noqa: F401
        from project.kafka import meter
        from project.metrics import parts, tasks  # noqa: F401  (they listen to signals)
        from project.metrics.transport import PrometheusMeter

        logs.hook_exceptions()
        if metrics.port() is not None:
            meter.use(PrometheusMeter())
