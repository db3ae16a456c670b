"""What a worker says about delivery when it starts, and the same for a command."""

import logging
from dataclasses import dataclass
from typing import Any

from celery import signals
from django.conf import settings

from notifier.backends import PermanentError, TemporaryError, get_backend

log = logging.getLogger(__name__)


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


@signals.worker_ready.connect(dispatch_uid="notifier.startup")
def on_worker_ready(**_: Any) -> None:
    state = check_backend()
    log.log(state.level, state.text)
