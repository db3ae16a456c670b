"""What a worker that delivers says about it when it starts, and the same for a command."""

import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals
from django.conf import settings

from notifier.backends import PermanentError, TemporaryError, backend_class, get_backend

log = logging.getLogger(__name__)

NOTIFY = "notifier.tasks.notify"


@dataclass(frozen=True)
class State:
    """`level` is logging.INFO (works), WARNING (can't be told now) or ERROR (can't work)."""

    level: int
    text: str


def check_backend() -> State:
    """One line that says which backend is on and whether it can work. Bounded in time, raises nothing."""
    on = f"messages go out by {settings.NOTIFIER_BACKEND}"
    try:
        who = get_backend().check()
    except ImportError as error:
        return State(logging.ERROR, f"NOTIFIER_BACKEND={settings.NOTIFIER_BACKEND} is unknown: {error}")
    except PermanentError as error:
        return State(logging.ERROR, f"{on}, but none will: {error}")
    except TemporaryError as error:
        return State(logging.WARNING, f"{on}, which can't be reached now: {error}")
    return State(logging.INFO, f"{on} ({who})")


def _delivers(app: Celery) -> bool:
    """Whether this worker consumes the queue from which messages are sent."""
    queue = app.amqp.router.route({}, NOTIFY)["queue"]
    return queue.name in app.amqp.queues.consume_from


@signals.celeryd_after_setup.connect(dispatch_uid="notifier.startup.load")
def load_backend(instance: Any, **_: Any) -> None:
    """Before the pool is forked: aiogram takes seconds to import, and each process would do it at its first message."""
    if _delivers(instance.app):
        with contextlib.suppress(ImportError):  # said once the worker is ready
            backend_class(settings.NOTIFIER_BACKEND)


@signals.worker_ready.connect(dispatch_uid="notifier.startup")
def on_worker_ready(sender: Any, **_: Any) -> None:
    if _delivers(sender.app):
        state = check_backend()
        log.log(state.level, state.text)
