"""The time that all processes agree on, by which leases end and requests are due: the database's.

A process' own clock may be wrong, or be set while it runs; what it then takes for over, or leaves for later, is not. So
the database is asked now and then, and in between the time is counted by a clock that nobody sets.
"""

import datetime as dt
import time

from django.db import connection
from django.utils import timezone

#: Seconds after which the database is asked again.
ASKED_AGAIN = 60.0

# What the database said, and when that was by the clock that nobody sets.
_told: tuple[dt.datetime, float] | None = None


def now() -> dt.datetime:
    """In UTC. With SQLite, which has no clock of its own, it is the machine's. Raises what a query raises."""
    global _told
    if connection.vendor != "postgresql":
        return timezone.now()
    # It counts while the machine sleeps too.
    counted = time.clock_gettime(time.CLOCK_BOOTTIME)
    if _told is None or counted - _told[1] > ASKED_AGAIN:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            _told = (cursor.fetchone()[0], counted)
    said, at = _told
    return said + dt.timedelta(seconds=counted - at)
