"""The bar of years, months and days above a long list."""

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

#: The longest that a period may be.
LONGEST = {"year": dt.timedelta(days=366), "month": dt.timedelta(days=31), "day": dt.timedelta(days=1)}
#: So few rows are all read: to find them by an index on dates, the database may walk through all the others.
FEW = 1000


class LongList(QuerySet[Any]):
    """Rows whose dates Django's `date_hierarchy` finds by an index on them, however many rows there are."""

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if kwargs.keys() != {"first", "last"}:  # those of `date_hierarchy`
            return super().aggregate(*args, **kwargs)
        if (few := self._few(kwargs["first"].get_source_expressions()[0].name)) is not None:
            return {"first": min(few, default=None), "last": max(few, default=None)}
        # Each by itself: SQLite reads all rows for the first and the last date at once, and one row for either alone.
        return {name: super(LongList, self).aggregate(**{name: one})[name] for name, one in kwargs.items()}

    def datetimes(self, field_name: str, kind: str, *args: Any, **kwargs: Any) -> Any:
        """The begin of each period (`kind`: year, month, day) that has rows: one look into the index for each."""
        if (few := self._few(field_name)) is not None:
            return sorted({begin(time, kind) for time in few})
        begins: list[dt.datetime] = []
        later: QuerySet[Any] = self
        while (found := later.order_by(field_name).values_list(field_name, flat=True).first()) is not None:
            begins.append(begin(found, kind))
            following = begin(begins[-1] + LONGEST[kind], kind)
            # In this order: of two lower bounds SQLite searches by the first, and compares each row with the second.
            later = QuerySet(self.model).filter(**{f"{field_name}__gte": following}) & self
        return begins

    def _few(self, field_name: str) -> list[dt.datetime] | None:
        """The dates of all rows, unless there are more than a few."""
        dates = list(self.order_by().values_list(field_name, flat=True)[: FEW + 1])
        return dates if len(dates) <= FEW else None


def begin(time: dt.datetime, kind: str) -> dt.datetime:
    """Midnight of the first day of the year, month or day, in the time zone of the settings."""
    day = timezone.localtime(time).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.replace(month=1, day=1) if kind == "year" else day.replace(day=1) if kind == "month" else day
