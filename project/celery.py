"""The Celery application; its settings are the CELERY_* block of project.settings."""

import os

from celery import Celery

import project.kafka  # noqa: F401  (registers kafka:// with kombu)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
