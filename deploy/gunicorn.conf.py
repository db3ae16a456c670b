"""Gunicorn's settings, the same under bin/run and in the container. https://docs.gunicorn.org/en/stable/settings.html"""

import os

bind = f"{os.environ.get('WEB_HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 60
graceful_timeout = 15
keepalive = 5
accesslog = "-"
control_socket_disable = True
