"""A history by weeks or months."""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rates.api.serializers import exact
from rates.money import plain
from rates.points import Point

AVERAGE_PLACES = Decimal("1e-10")


def rows(points: Sequence[Point], group: str) -> list[dict[str, Any]]:
    """One row for each day, or for each week (from Monday) or month that has points; ready for JSON and CSV."""
    if group == "day":
        return [_point(point) for point in points]
    return [_period(name, list(inside)) for name, inside in itertools.groupby(points, lambda p: _name(p, group))]


def _name(point: Point, group: str) -> str:
    if group == "month":
        return point.date.isoformat()[:7]
    year, week, _ = point.date.isocalendar()
    return f"{year}-W{week:02}"


def _point(point: Point) -> dict[str, Any]:
    return {
        "date": point.date.isoformat(),
        "nominal": point.nominal,
        "value": plain(point.value),
        "unit_value": f"{point.unit_value:f}",
    }


def _period(name: str, points: list[Point]) -> dict[str, Any]:
    values = [point.unit_value for point in points]
    return {
        "period": name,
        "first_date": points[0].date.isoformat(),
        "last_date": points[-1].date.isoformat(),
        "days": len(points),
        "first": exact(values[0]),
        "last": exact(values[-1]),
        "low": exact(min(values)),
        "high": exact(max(values)),
        "average": exact((sum(values, Decimal(0)) / len(values)).quantize(AVERAGE_PLACES)),
    }
