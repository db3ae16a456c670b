"""The next time that a clock on somebody's wall shows a time of day."""

import datetime as dt
from zoneinfo import ZoneInfo, available_timezones

DAY = dt.timedelta(days=1)


def zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name in any case ("europe/moscow"), or of its city ("Moscow"); None for anything else."""
    wanted = name.strip().replace(" ", "_").casefold()
    if not wanted:
        return None
    known = {one.casefold(): one for one in available_timezones()}
    cities = {one.rpartition("/")[2].casefold(): one for one in sorted(available_timezones(), reverse=True)}
    found = known.get(wanted) or cities.get(wanted)
    return ZoneInfo(found) if found else None


def next_time(at: dt.time, where: ZoneInfo, after: dt.datetime) -> dt.datetime:
    """The first moment later than `after` at which it is `at` in `where`, in UTC.

    A time that the clock jumps over when summer time begins is taken as far into the day as if the clock had not
    been moved (02:30 is then 03:30); of a time that comes twice when it ends, only the first counts.
    """
    day = after.astimezone(where).date() - DAY
    while True:
        # fold=0: the first of two, and the offset from before the jump (PEP 495).
        moment = dt.datetime.combine(day, at.replace(fold=0), where).astimezone(dt.UTC)
        if moment > after:
            return moment
        day += DAY
