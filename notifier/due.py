"""What beat has done every so often: digests and alerts that are due, and messages that are stuck."""

import logging

from notifier import alerts, messages, subscriptions

log = logging.getLogger(__name__)

# Of each kind in one run, so that a run stays within a task's time; the next goes on.
BATCH = 500


def send_due(batch: int = BATCH) -> dict[str, int]:
    """Returns how many of each. Two runs at once share the work: each message is written by one of them."""
    counts = {
        "digests": subscriptions.send_due(batch),
        "alerts": alerts.send_due(batch),
        "again": messages.publish_stuck(batch),
    }
    if any(counts.values()):
        log.info("written: %(digests)d digests, %(alerts)d alerts; published again: %(again)d", counts)
    return counts
