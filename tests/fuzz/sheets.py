"""The Bank's XML, recorded and then spoilt: a sheet or series comes of it that can be stored, or BadSheet."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils import timezone
from hypothesis import strategies as st

from rates.cbrxml import BadSheet
from rates.models import Currency, Rate
from rates.series import parse_sheet_or_series
from rates.sheets import Sheet
from tests.fuzz.runner import Input
from tests.standins.cbr import DATA_DIR

# A daily sheet's first lines are enough: what is spoilt of them is then nearer to the rest.
LINE, FEW = b"</Valute>", 6


def short(body: bytes) -> bytes:
    lines = body.split(LINE)
    return LINE.join([*lines[:FEW], lines[-1]]) if len(lines) > FEW else body


RECORDED = [short(path.read_bytes()) for path in sorted(DATA_DIR.glob("*.xml")) if "valFull" not in path.name]
TEXT = re.compile(rb"(?<=>)[^<>]+(?=</)|(?<=\")[^\"<>]+(?=\")")
FRAGMENTS = st.sampled_from(
    [
        *[
            b"<Value>",
            b"</Valute>",
            b"<Valute>",
            b"<!DOCTYPE x>",
            b"<!ENTITY a 'b'>",
            b"<![CDATA[",
            b"]]>",
            b"<!-- ",
            b"-->",
        ],
        *[b"&a;", b"&#0;", b"&#x1F600;", b"&lt;", b"\xff", b"\x00", b"\xef\xbb\xbf", b"<?x?>", b"<", b">", b'"', b""],
    ]
)
WORDS = st.sampled_from(
    [
        *[b"0", b"-1", b"1", b"1e9", b"1E-5", b"NaN", b"Infinity", b"1,0", b"1.0", b"999999999", b"999999999,999999"],
        *[b"0,000001", b"9" * 30, b"USD", b"usd", b"RUB", b"31.04.2026", b"01.01.0001", b"utf-8", b"utf-16", b" ", b""],
        *["Доллар".encode("windows-1251"), "Доллар".encode(), "١٢".encode(), b"R01235", b"???", b"x" * 300],
    ]
)
# A place, as a part of the whole; how many bytes are taken out there; what is put there.
CUTS = st.tuples(st.floats(0, 1), st.integers(0, 40), FRAGMENTS | st.binary(max_size=8))
# Which of the texts and attributes; what is put in its place.
SWAPS = st.tuples(st.floats(0, 1), WORDS | st.binary(max_size=8))


def cut(body: bytes, edit: tuple[float, int, bytes]) -> bytes:
    place = int(edit[0] * len(body))
    return body[:place] + edit[2] + body[place + edit[1] :]


def swap(body: bytes, edit: tuple[float, bytes]) -> bytes:
    found = list(TEXT.finditer(body))
    if not found:
        return body
    one = found[min(int(edit[0] * len(found)), len(found) - 1)]
    return body[: one.start()] + edit[1] + body[one.end() :]


def spoilt(body: bytes, swaps: list[tuple[float, bytes]], cuts: list[tuple[float, int, bytes]]) -> bytes:
    for one in swaps:
        body = swap(body, one)
    for other in cuts:
        body = cut(body, other)
    return body


BODIES = st.binary() | st.builds(
    spoilt, st.sampled_from(RECORDED), st.lists(SWAPS, max_size=2), st.just([]) | st.lists(CUTS, max_size=2)
)


def answer(body: bytes) -> str:
    """Raises ValidationError for a rate that the database would not take."""
    try:
        found = parse_sheet_or_series(body)
    except BadSheet as bad:
        assert str(bad)
        return "refused"
    if not isinstance(found, Sheet):
        for rate in found.rates:
            _check(Rate(date=rate.date, nominal=rate.nominal, value=rate.value))
        return "a series"
    assert found.rates
    for one in found.rates:
        Currency(char_code=one.char_code, cbr_id=one.cbr_id, num_code=one.num_code, name=one.name).clean_fields()
        _check(Rate(date=found.date, nominal=one.nominal, value=one.value, name=one.name))
    return "a sheet"


def _check(rate: Rate) -> None:
    rate.updated_at = timezone.now()
    rate.clean_fields(exclude=["currency"])
    assert rate.value > 0 and rate.nominal > 0


def inputs() -> Iterator[Input]:
    yield Input("the Bank's XML", BODIES, answer)
