"""The web process' entry: `gunicorn project.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import reverse

from project import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# Before the middleware is loaded.
tracing.start("web")
application = get_wsgi_application()

# Has Django import all views and read their URLs. It would at the first request, in each thread that has one: those
# who came to a process that had just started waited up to five seconds for that on a busy machine.
reverse("admin:index")
