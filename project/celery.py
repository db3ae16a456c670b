"""The Celery application; its settings are the CELERY_* block of project.settings."""

import os

import click
from celery import Celery, signals
from celery.signals import user_preload_options

import project.kafka  # noqa: F401  (registers kafka:// with kombu)
from project import connections, logs, ready, services, slow_stop, trace, tracing  # noqa: F401  (most of them listen to signals)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults({"CELERY_DB_REUSE_MAX": connections.TASKS})
app.autodiscover_tasks()


@signals.celeryd_init.connect(dispatch_uid="project.celery.settle")
def settle(**_: object) -> None:
    """Looking a setting up takes Celery two or three misses in Django's settings, and a task or a publish looks up
    dozens: from here on each is where Celery looks first, and changes no more. For workers and the relay."""
    app.conf.update({name: app.conf[name] for name in list(app.conf)})


app.steps["worker"].add(ready.Heartbeat)
# An option of our own makes Celery send the signal before each of its commands.
app.user_options["preload"].add(click.Option(["--unchecked"], is_flag=True, help="Don't ask the services first."))
user_preload_options.connect(services.before_celery_command)
