"""The web process' entry: `gunicorn project.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from project import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# Before the middleware is loaded.
tracing.start("web")
application = get_wsgi_application()
