"""The Celery application; its settings are the CELERY_* block of project.settings."""

import os

import click
from celery import Celery
from celery.signals import user_preload_options

import project.kafka  # noqa: F401  (registers kafka:// with kombu)
from project import connections, logs, ready, services, trace  # noqa: F401  (most of them listen to signals)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults({"CELERY_DB_REUSE_MAX": connections.TASKS})
app.autodiscover_tasks()
app.steps["worker"].add(ready.Heartbeat)
# An option of our own makes Celery send the signal before each of its commands.
app.user_options["preload"].add(click.Option(["--unchecked"], is_flag=True, help="Don't ask the services first."))
user_preload_options.connect(services.before_celery_command)
