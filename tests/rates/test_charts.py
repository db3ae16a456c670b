"""Charts as pictures: well-formed, described, the same for the same points."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from rates.charts import chart
from rates.points import Point

POINTS = [
    Point(datetime.date(2026, 3, 3) + datetime.timedelta(days=day), 10, Decimal(70 + day), Decimal(70 + day) / 10)
    for day in range(30)
]


@pytest.mark.parametrize("points", [[], POINTS[:1], POINTS, POINTS * 100])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_an_svg_has_a_title_and_a_description(points: list[Point], language: str) -> None:
    picture: Any = etree.fromstring(chart(points, title="<USD> & $x^2$", language=language))
    assert picture.get("role") == "img"
    texts = {element.get("id"): element.text for element in picture.iter("{*}title", "{*}desc")}
    assert texts["chart-title"] == "<USD> & $x^2$"
    expected = f"01.04.2026 10 = {'99.0000'} RUB" if len(points) > 1 else ""
    assert expected in texts["chart-description"]
    assert b"$x^2$" in etree.tostring(picture)


def test_a_png_is_one() -> None:
    assert chart(POINTS, title="USD", kind="png").startswith(b"\x89PNG")
    assert chart(POINTS, title="USD", kind="png", dark=True) != chart(POINTS, title="USD", kind="png")


def test_the_same_points_give_the_same_picture() -> None:
    for kind in ("svg", "png"):
        assert chart(POINTS, title="USD", kind=kind) == chart(POINTS, title="USD", kind=kind)
