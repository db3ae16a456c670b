"""The latest unit rates of all currencies at once, for the small lines in a list."""

import datetime
from collections import defaultdict
from decimal import Decimal

from rates.models import Rate
from rates.money import exact_unit_value

DAYS = 30


def recent(until: datetime.date, days: int = DAYS) -> dict[str, list[Decimal]]:
    """Roubles for one unit on the stored days of the last `days`, the oldest first, by currency code."""
    rows = (
        Rate.objects.filter(date__gt=until - datetime.timedelta(days=days), date__lte=until)
        .order_by("date")
        .values_list("currency__char_code", "value", "nominal")
    )
    found: dict[str, list[Decimal]] = defaultdict(list)
    for code, value, nominal in rows:
        found[code].append(exact_unit_value(value, nominal))
    return dict(found)
