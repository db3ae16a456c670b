"""What the notifier counts: how requests end, and what the bot was asked."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prometheus_client import Counter

ACCEPTED = Counter("notifier_accepted", "Requests that were accepted, for the first time or again.")
ENDED = Counter("notifier_ended", "Requests that ended: delivered, or failed with a code.", ["outcome", "code"])
# Told from the start: an alert on its increase would miss the first one.
ENDED.labels("failed", "bad_token")
UPDATES = Counter("bot_updates", "Updates that the bot has handled, by result: ok, or error.", ["result"])

P = ParamSpec("P")
R = TypeVar("R")


def accepts(change: Callable[P, R]) -> Callable[P, R]:
    """Counts each change that happened (what it returns is true)."""

    @functools.wraps(change)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        changed = change(*args, **kwargs)
        if changed:
            ACCEPTED.inc()
        return changed

    return counted


def ends(outcome: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The same of what ends a request, once for each end; the second argument, where there is one, is the code."""

    def decorate(change: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(change)
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            changed = change(*args, **kwargs)
            if changed:
                ENDED.labels(outcome, str(kwargs.get("code") or (args[1] if len(args) > 1 else ""))).inc()
            return changed

        return counted

    return decorate
