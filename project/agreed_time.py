"""The time that all processes agree on, by which leases end and requests are due: the database's.

A process' own clock may be wrong, or be set while it runs; what it then takes for over, or leaves for later, is not. So
the database is asked now and then, and in between the time is counted by a clock that nobody sets.
"""

import datetime as dt
import time
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

#: Seconds after which the database is asked again, and after an answer that took longer than PROMPT.
ASKED_AGAIN = 60.0
PROMPT, ASKED_SOON = 0.1, 1.0
#: How far the times of two processes may be apart: an answer's way back has a length that nobody knows.
APART = dt.timedelta(seconds=0.5)


class Told(NamedTuple):
    """What the database said, when that was by the clock that nobody sets, and until when it is believed."""

    said: dt.datetime
    at: float
    until: float


_told: Told | None = None


def now() -> dt.datetime:
    """In UTC. With SQLite, which has no clock of its own, it is the machine's. Raises what a query raises."""
    global _told
    if connection.vendor != "postgresql":
        return timezone.now()
    if _told is None or _counted() > _told.until:
        _told = _ask()
    said, at, _ = _told
    return said + dt.timedelta(seconds=_counted() - at)


def _ask() -> Told:
    """As NTP has it, the database spoke in the middle between question and answer."""
    with connection.cursor() as cursor:  # connected, which may take its time
        asked = _counted()
        cursor.execute("SELECT clock_timestamp()")
        said = cursor.fetchone()[0]
        answered = _counted()
    believed = ASKED_AGAIN if answered - asked < PROMPT else ASKED_SOON
    return Told(said, (asked + answered) / 2, answered + believed)


def _counted() -> float:
    """Seconds; it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
