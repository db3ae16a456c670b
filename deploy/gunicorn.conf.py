"""Gunicorn's settings, the same under bin/run and in the container. https://docs.gunicorn.org/en/stable/settings.html"""

import os

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

bind = f"{os.environ.get('WEB_HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
# Two, because threads share one interpreter's lock: by one process of eight, two cores answer a quarter fewer requests.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 60
graceful_timeout = 15
keepalive = 5
accesslog = "-"
# Without the query, in which people search for people, and with the id that the answer has (project.trace).
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(L)ss %({x-request-id}o)s "%(a)s"'
logconfig_dict = settings.LOGGING
control_socket_disable = True
# Whose word is taken on whether a request came by HTTPS.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")


def when_ready(server):
    """The metrics of all of web's processes, by the one that forks them."""
    from project import metrics

    metrics.serve()
