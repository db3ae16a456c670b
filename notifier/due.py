"""What beat has done every so often: digests and alerts that are due, and messages that are stuck."""

import logging

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from notifier import alerts, messages, subscriptions

log = logging.getLogger(__name__)

# Of each kind in one run, so that a run stays within a task's time; the next goes on.
BATCH = 500


def send_due(batch: int = BATCH) -> dict[str, int]:
    """Returns how many of each. Two runs at once share the work: each message is written by one of them.

    What one kind fails by is raised when the others have had their turn.
    """
    steps = {"digests": subscriptions.send_due, "alerts": alerts.send_due, "again": messages.publish_stuck}
    counts = dict.fromkeys(steps, 0)
    failure: Exception | None = None
    for kind, step in steps.items():
        try:
            counts[kind] = step(batch)
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
            raise  # the database is away, or the time is over, for all of them
        except Exception as error:  # whatever it is, it must not keep the other kinds from going out
            log.exception("%s: not all that are due were written", kind)
            failure = failure or error
    if any(counts.values()):
        log.info("written: %(digests)d digests, %(alerts)d alerts; published again: %(again)d", counts)
    if failure is not None:
        raise failure
    return counts
