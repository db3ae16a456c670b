"""One id from a request to the last of its tasks: X-Request-ID, taken over from the client or made, and given back.

It is in every log line of what happens meanwhile (see project.logs), and travels with Celery's messages in a header of
theirs. What is published without one (by beat, the sweeper …) begins a new one: Celery's root id, the same for a chain.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from celery import signals
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]

HEADER = "X-Request-ID"
#: In the headers of Celery's messages.
TASK_HEADER = "trace_id"
#: What a client may call its request: nothing that could break a line of the log.
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")

_trace: ContextVar[str] = ContextVar("trace", default="")
_task: ContextVar[str] = ContextVar("task", default="")


def current() -> str:
    """The id of what is being done; "" outside of everything."""
    return _trace.get()


def current_task() -> str:
    """The id of the Celery task that runs here, if one does."""
    return _task.get()


@contextmanager
def using(trace: str) -> Iterator[None]:
    token = _trace.set(trace)
    try:
        yield
    finally:
        _trace.reset(token)


class TraceMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        trace = given if GIVEN.fullmatch(given) else uuid.uuid4().hex
        with using(trace):
            response = self._get_response(request)
        response[HEADER] = trace
        return response


@signals.before_task_publish.connect(dispatch_uid="project.trace.publish")
def on_publish(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and current():
        headers.setdefault(TASK_HEADER, current())


@signals.task_prerun.connect(dispatch_uid="project.trace.begin")
def on_start(task_id: str = "", task: Any = None, **_: Any) -> None:
    request = getattr(task, "request", None)
    given = str(getattr(request, TASK_HEADER, None) or "")
    _task.set(task_id)
    # Whoever can publish could write anything into the header, too.
    _trace.set(given if GIVEN.fullmatch(given) else str(getattr(request, "root_id", None) or task_id))


@signals.task_postrun.connect(dispatch_uid="project.trace.end")
def on_end(**_: Any) -> None:
    _task.set("")
    _trace.set("")
