"""The application's settings on another broker than Kafka, for comparison only."""

import json
import os

from project.settings import *  # noqa: F403

CELERY_BROKER_URL = os.environ["BENCH_BROKER"]
CELERY_BROKER_TRANSPORT_OPTIONS = json.loads(os.environ["BENCH_OPTIONS"])
CELERY_WORKER_ENABLE_REMOTE_CONTROL = os.environ.get("BENCH_REMOTE_CONTROL", "1") == "1"
