"""Workers keep their database connection from task to task, as web servers do from request to request.

Celery closes it before and after each task, because a broken one would fail all that come; a new one costs more than
the task. So this looks at it, as Django does around each request: one that is too old, or with which something has
failed and that doesn't answer any more, is closed.
"""

from typing import Any

from celery import signals
from django.db import connections

#: For Celery's CELERY_DB_REUSE_MAX: after so many tasks it closes them after all.
TASKS = 10_000


@signals.task_prerun.connect(dispatch_uid="project.connections")
@signals.task_postrun.connect(dispatch_uid="project.connections")
def close_if_broken(**_: Any) -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a task that is called in the middle of a transaction must not end it
            connection.close_if_unusable_or_obsolete()
