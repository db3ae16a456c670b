"""Which process of a part serves its metrics: the main one, of web by deploy/gunicorn.conf.py, of the others here."""

from typing import Any

from celery import signals

from project import metrics


@signals.celeryd_init.connect(dispatch_uid="project.metrics.worker")
def worker(**_: Any) -> None:
    metrics.serve()


@signals.beat_init.connect(dispatch_uid="project.metrics.beat")
def beat(**_: Any) -> None:
    # Here: the models are there only once Django is set up.
    from project.metrics.state import State

    metrics.serve(State())
