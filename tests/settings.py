"""The project's settings, cut off from `.env` and from a running `bin/run`, so that tests are the same everywhere."""

import os
import tempfile

os.environ["ENV_FILES"] = ""
os.environ.setdefault("SECRET_KEY", "only-for-tests")

from project.settings import *  # noqa: F403

if DATABASES["default"]["ENGINE"] == "project.sqlite":  # noqa: F405
    # A file, as in real life: threads that share a database in memory don't wait for each other's locks.
    DATABASES["default"]["TEST"] = {"NAME": f"{tempfile.gettempdir()}/rates-test-{os.getpid()}.sqlite3"}  # noqa: F405

# Unit tests need no service: messages stay in this process. Tests with real processes give those project.settings.
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.05}
CELERY_RESULT_BACKEND = "cache+memory://"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# As bin/run sets them.
ALLOW_ANONYMOUS_REQUESTS = True
THROTTLE_TOKEN = THROTTLE_ANONYMOUS = THROTTLE_TELEGRAM_ID = ""
BOT_TOKEN = ""
NOTIFIER_BACKEND = "memory"
NOTIFIER_LANGUAGE = "ru"
# Static files from the applications' folders: nothing was collected.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True
# What makes guessing passwords slow makes each login here slow too.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
