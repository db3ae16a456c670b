"""The bar of years, months and days above a long list."""

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

#: The longest that a period may be.
LONGEST = {"year": dt.timedelta(days=366), "month": dt.timedelta(days=31), "day": dt.timedelta(days=1)}


class LongList(QuerySet[Any]):
    """Rows whose dates Django's `date_hierarchy` finds by an index on them, however many rows there are."""

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # Each by itself: SQLite reads all rows for the first and the last date at once, and one row for either alone.
        if args:
            return super().aggregate(*args, **kwargs)
        return {name: super(LongList, self).aggregate(**{name: one})[name] for name, one in kwargs.items()}

    def datetimes(self, field_name: str, kind: str, *args: Any, **kwargs: Any) -> Any:
        """The begin of each period (`kind`: year, month, day) that has rows: one look into the index for each."""
        rows = self.order_by(field_name).values_list(field_name, flat=True)
        begins: list[dt.datetime] = []
        found = rows.first()
        while found is not None:
            begins.append(begin(found, kind))
            found = rows.filter(**{f"{field_name}__gte": begin(begins[-1] + LONGEST[kind], kind)}).first()
        return begins


def begin(time: dt.datetime, kind: str) -> dt.datetime:
    """Midnight of the first day of the year, month or day, in the time zone of the settings."""
    day = timezone.localtime(time).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.replace(month=1, day=1) if kind == "year" else day.replace(day=1) if kind == "month" else day
