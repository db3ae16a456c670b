"""The outbox's relay: publishes the requests that are due, the moment they are, from a process of its own.

The request's row is the intent, so a relay that dies or stops forgets nothing: the next one goes on. Due is what was
just accepted, what could not be published, and what nothing has moved on for longer than its step can take.
"""

import datetime as dt
import logging
import os
import random
import select
import uuid
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection

from notifier import dispatch, owners, requests, texts, wake
from notifier.models import RateRequest
from project import agreed_time, ready

log = logging.getLogger(__name__)

# Requests published at once.
BATCH = 200
# The same after a failure, until one such batch has gone out.
CAREFUL = 10
# The ends: a request that was queued so often, or is so old, fails.
MAX_PUBLISHES = 10
MAX_AGE = dt.timedelta(days=1)
# Seconds between two looks at the database where nobody rings.
POLL = 1.0
# Seconds between two tries where the broker or the database is away: the first, twice as long each time, the last.
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 4.0


class Published(NamedTuple):
    """Of one batch: how many requests were due, published, and not published, with a reason of the latter."""

    due: int = 0
    published: int = 0
    failed: int = 0
    reason: str = ""


def publish_due(limit: int = BATCH) -> Published:
    """Publish one batch of what is due, the longest due first. A request that was tried too often fails."""
    claim = f"{owners.me()}/{uuid.uuid4().hex[:12]}"
    claimed = requests.claim_due(limit, claim)
    rows = [row for row in claimed if not _ended(row)]
    if not rows:
        return Published(len(claimed))
    failures = dispatch.publish(rows)
    if done := [row.pk for row in rows if row.pk not in failures]:
        requests.published(done, claim)
    if again := sum(row.publishes > 0 for row in rows if row.pk not in failures):
        log.warning("published %d requests again that nothing had moved on", again)
    if failures:
        requests.hand_back(failures.keys(), claim)
    reason = str(next(iter(failures.values()), ""))
    return Published(len(claimed), len(done), len(failures), reason)


def _ended(row: RateRequest) -> bool:
    code = end_of(row)
    return bool(code) and requests.fail(row.pk, code, texts.error(code))


def end_of(request: RateRequest) -> str:
    """Why this request is not published again; empty where it is."""
    if request.publishes >= MAX_PUBLISHES:
        return "stuck"
    return "expired" if agreed_time.now() - request.accepted_at > MAX_AGE else ""


class Relay:
    """Publishes until `stop`, which a signal's handler may call: the batch in hand is ended first."""

    def __init__(self) -> None:
        self._stopping = False
        self._stopped, self._stopper = os.pipe()
        self._bell: wake.Bell | None = None
        # Turns in a row that failed.
        self._failures = 0

    def stop(self) -> None:
        self._stopping = True
        os.write(self._stopper, b"\0")

    def run(self) -> None:
        while not self._stopping:
            ready.touch()
            try:
                trouble = self._publish_all()
            except (OperationalError, InterfaceError) as error:
                trouble = f"the database does not answer: {str(error).strip()}"
                self._disconnect()
            self._note(trouble)
            self._wait()
        self._disconnect()

    def _publish_all(self) -> str:
        """Publish until nothing is due; returns why it ended before that."""
        if self._bell is None:
            self._bell = wake.bell()
            # Its own too: where the database goes away, a claim may be written whose answer never comes.
            orphans = requests.hand_back_orphans(owners.me())
            log.info("publishing what is due; %d requests were in the hands of a relay that died or lost them", orphans)
        # Before the look: what rings after it has come too late for it.
        self._bell.clear()
        while not self._stopping:
            ready.touch()  # a long backlog behind a slow broker is no hang
            limit = CAREFUL if self._failures else BATCH
            batch = publish_due(limit)
            if batch.failed:
                return batch.reason
            self._note("")
            if batch.due < limit:
                break
        return ""

    def _note(self, trouble: str) -> None:
        """One line when trouble begins and one when it is over."""
        if trouble and not self._failures:
            log.warning("nothing can be published, it is tried again and again: %s", trouble)
        elif self._failures and not trouble:
            log.warning("publishing goes on")
        self._failures = self._failures + 1 if trouble else 0

    def _wait(self) -> None:
        """Until it rings, or for the pause after a failure; `stop` ends both."""
        if self._failures or self._bell is None:
            pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
            select.select([self._stopped], [], [], pause)
        else:
            select.select([self._stopped, self._bell.fileno()], [], [], POLL)

    def _disconnect(self) -> None:
        """New connections next time: these may be broken."""
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        connection.close()
