"""Prometheus metrics: each part serves its own at http://METRICS_HOST:METRICS_PORT/metrics, where METRICS_PORT is set.

Off by default, and then on loopback only: who may read them is who can reach the port. A part of several processes
(gunicorn's, a pool's) counts in files that they share, see files.py; `bin/start` names their folder.

What is counted is declared where it happens: notifier/metrics.py, project/metrics/{web,tasks,transport,state}.py.
"""

import logging
import os
import socket
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

from project.metrics import files

log = logging.getLogger(__name__)

_server: WSGIServer | None = None


def port() -> int | None:
    """Where this part's metrics are to be served; None where they aren't."""
    text = os.environ.get("METRICS_PORT", "")
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SystemExit(f"METRICS_PORT={text} is no TCP port")
    return int(text)


def serve(*more: Collector) -> None:
    """Serve them from this process, the main one of its part, before it forks. `more` is asked at each scrape.

    A port that is taken is logged: metrics are no reason for a part not to work.
    """
    global _server
    where = port()
    if where is None or _server is not None:
        return
    registry = REGISTRY
    if folder := files.folder():
        registry = CollectorRegistry()
        registry.register(files.Collector(folder))
    for collector in more:
        registry.register(collector)
    host = os.environ.get("METRICS_HOST", "127.0.0.1")
    try:
        _server, _ = start_http_server(where, host, registry)
    except OSError as error:
        log.error("no metrics: %s:%d can't be listened at: %s", host, where, error)  # noqa: TRY400
        return
    os.register_at_fork(after_in_child=_close)
    log.info("metrics are at http://%s:%d/metrics", host, where)


def _close() -> None:
    """A child must not keep the port from the next main process. Not server_close(): it would wait for threads."""
    if _server is not None:
        socket.socket.close(_server.socket)
