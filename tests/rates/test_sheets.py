"""The daily sheet: exact figures, or a refusal in plain words."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rates.sheets import BadSheet, Sheet, SheetRate, parse_sheet
from tests.standins.cbr import DATA_DIR, wire_sheet

NEWEST = (DATA_DIR / "daily_2026-04-25.xml").read_bytes()
DAY = datetime.date(2026, 4, 25)
USD = ("R01235", "840", "USD", 1, "Доллар США", "75,5273")


def recorded(name: str) -> Sheet:
    return parse_sheet((DATA_DIR / f"daily_{name}.xml").read_bytes())


@pytest.mark.parametrize(
    ("name", "count", "code", "nominal", "value"),
    [
        ("2016-08-23", 33, "AUD", 1, "48.8557"),
        ("2016-12-09", 33, "USD", 1, "63.3901"),
        ("2026-04-25", 54, "AUD", 1, "53.8359"),
        ("2026-04-25", 54, "DZD", 100, "57.0006"),
        ("2026-04-25", 54, "UZS", 10_000, "62.8322"),
    ],
)
def test_recorded_sheets_are_read_exactly(name: str, count: int, code: str, nominal: int, value: str) -> None:
    sheet = recorded(name)
    rate = sheet.find(code)
    assert rate is not None
    assert (sheet.date, len(sheet.rates)) == (datetime.date.fromisoformat(name), count)
    assert (rate.nominal, str(rate.value)) == (nominal, value)


def test_every_recorded_figure_is_the_text_of_its_file() -> None:
    text = NEWEST.decode("windows-1251")
    for rate in recorded("2026-04-25").rates:
        value = f"{rate.value:f}".replace(".", ",")
        assert (
            f'ID="{rate.cbr_id}"><NumCode>{rate.num_code}</NumCode><CharCode>{rate.char_code}</CharCode>'
            f"<Nominal>{rate.nominal}</Nominal><Name>{rate.name}</Name><Value>{value}</Value>" in text
        )


def test_the_largest_nominal_has_an_exponent_in_its_unit_rate() -> None:
    rates = recorded("2026-04-25").rates
    assert max(rate.nominal for rate in rates) == 1_000_000
    assert b"E-05</VunitRate>" in NEWEST


@given(st.integers(min_value=0, max_value=len(NEWEST) - 1))
def test_a_sheet_cut_off_at_any_byte_is_refused(length: int) -> None:
    with pytest.raises(BadSheet):
        parse_sheet(NEWEST[:length])


@pytest.mark.parametrize("path", sorted(DATA_DIR.glob("daily_*.xml")), ids=lambda path: path.stem)
def test_a_sheet_cut_off_after_any_element_is_refused(path: Path) -> None:
    body = path.read_bytes().rstrip()
    ends = [index + 1 for index, byte in enumerate(body[:-1]) if byte == ord(">")]
    for end in ends:
        with pytest.raises(BadSheet):
            parse_sheet(body[:end])


letters = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
names = st.text("абвгдеёжзийклмнопрстуфхцчшщъыьэюя -()", min_size=2, max_size=40).filter(
    lambda name: name == name.strip() and any(letter.isalpha() for letter in name)
)
sheet_rates = st.builds(
    SheetRate,
    cbr_id=st.from_regex(r"R[0-9]{5}[A-Z]?", fullmatch=True),
    num_code=st.from_regex("[0-9]{3}", fullmatch=True),
    char_code=st.text(letters, min_size=3, max_size=3),
    nominal=st.integers(1, 999_999_999),
    name=names,
    value=st.decimals("0.0001", "999999.9999", places=4),
)
sheets = st.builds(
    Sheet,
    date=st.dates(datetime.date(1992, 7, 1), datetime.date(2100, 1, 1)),
    rates=st.lists(sheet_rates, min_size=1, max_size=5, unique_by=(lambda r: r.char_code, lambda r: r.cbr_id)).map(
        tuple
    ),
)


@given(sheets)
def test_what_is_written_is_what_is_read(sheet: Sheet) -> None:
    rows = [
        (r.cbr_id, r.num_code, r.char_code, r.nominal, r.name, f"{r.value:f}".replace(".", ",")) for r in sheet.rates
    ]
    assert parse_sheet(wire_sheet(sheet.date, rows)) == sheet


def spoilt(old: str, new: str) -> bytes:
    good = wire_sheet(DAY, [USD]).decode("windows-1251")
    assert old in good
    return good.replace(old, new).encode("windows-1251")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \r\n ", "empty"),
        (b"rates are fine today", "not XML"),
        (b"<!DOCTYPE html><html><body>Checking your browser</body></html>", "HTML page"),
        (b"<html><head></head></html>", "HTML page"),
        (NEWEST[:5000], "cut off"),
        (NEWEST + NEWEST, "not well-formed"),
        ((DATA_DIR / "error_in_parameters.xml").read_bytes(), "Error in parameters"),
        (NEWEST.decode("windows-1251").encode(), "declares windows-1251 and holds UTF-8"),
        (NEWEST.replace(b"windows-1251", b"utf-8"), "not well-formed"),
        (NEWEST.replace(b"windows-1251", b"utf-16"), "declares the encoding utf-16"),
        (spoilt('Date="25.04.2026" ', ""), "no date"),
        (spoilt("25.04.2026", "31.04.2026"), "no date"),
        (wire_sheet(DAY, []), "no currencies"),
        (spoilt("ValCurs", "Metall"), "not ValCurs"),
        (wire_sheet(DAY, [USD, USD]), "USD is in the sheet 2 times"),
        (wire_sheet(DAY, [USD, ("R01235", "978", "EUR", 1, "Евро", "88,1")]), "R01235 is in the sheet"),
        (spoilt("75,5273", "0,0000"), "no positive amount"),
        (spoilt("75,5273", "-75,5273"), "no positive amount"),
        (spoilt("75,5273", "75.5273"), "no positive amount"),
        (spoilt("75,5273", "NaN"), "no positive amount"),
        (spoilt("<Nominal>1<", "<Nominal>0<"), "no positive whole number"),
        (spoilt("<Nominal>1<", "<Nominal>-1<"), "no positive whole number"),
        (spoilt("<Value>75,5273</Value>", ""), "has no Value"),
        (spoilt("<Value>75,5273</Value>", "<Value>1,0</Value><Value>2,0</Value>"), "bad Value"),
        (spoilt(">USD<", ">usd<"), "no currency code"),
        (spoilt(">840<", ">8400<"), "no currency number"),
        (spoilt(' ID="R01235"', ""), "no ID"),
        (spoilt("</Value>", "</Value><VunitRate>7,55273</VunitRate>"), "unit rate"),
    ],
)
def test_rubbish_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadSheet, match=reason):
        parse_sheet(body)


@pytest.mark.parametrize(
    "read_as",
    [("utf-8", "windows-1251"), ("utf-8", "latin-1"), ("windows-1251", "latin-1"), ("koi8-r", "windows-1251")],
)
def test_mojibake_is_refused(read_as: tuple[str, str]) -> None:
    written, read = read_as
    name = "Доллар США".encode(written).decode(read)
    row = ("R01235", "840", "USD", 1, name, "75,5273")
    body = wire_sheet(DAY, [USD]).decode("windows-1251").replace("windows-1251", "utf-8")
    assert row[4] != USD[4]
    with pytest.raises(BadSheet, match="wrong encoding"):
        parse_sheet(body.replace(USD[4], name).encode())


def test_a_name_of_question_marks_is_refused() -> None:
    with pytest.raises(BadSheet, match="wrong encoding"):
        parse_sheet(spoilt("Доллар США", "?????? ???"))


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE ValCurs [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE ValCurs SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE ValCurs [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_document_type_is_refused_unread(doctype: str) -> None:
    with pytest.raises(BadSheet, match="document type"):
        parse_sheet(spoilt("?><", f"?>{doctype}<"))


def test_a_sheet_in_declared_utf8_is_read() -> None:
    body = NEWEST.decode("windows-1251").replace("windows-1251", "utf-8").encode()
    assert parse_sheet(body) == parse_sheet(NEWEST)


def test_a_rounded_unit_rate_is_no_reason_to_refuse() -> None:
    body = wire_sheet(DAY, [("R01235", "840", "USD", 3, "Доллар США", "10,0000")]).decode("windows-1251")
    body = body.replace("</Value>", "</Value><VunitRate>3,3333</VunitRate>")
    assert parse_sheet(body.encode("windows-1251")).rates[0].value == Decimal("10.0000")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_document_type_does_not_hide_in_another_encoding(encoding: str) -> None:
    text = '<?xml version="1.0"?><!DOCTYPE ValCurs [<!ENTITY a "aaaaaaaaaa">]><ValCurs>&a;</ValCurs>'
    with pytest.raises(BadSheet):
        parse_sheet(text.encode(encoding))


def test_a_deep_sheet_is_refused_and_not_recursed_into() -> None:
    depth = 100_000
    with pytest.raises(BadSheet):
        parse_sheet(b"<ValCurs>" + b"<a>" * depth + b"</a>" * depth + b"</ValCurs>")


def test_a_sheet_of_attributes_is_refused_in_time() -> None:
    attributes = b" ".join(b'a%d="1"' % number for number in range(50_000))
    with pytest.raises(BadSheet):
        parse_sheet(b"<ValCurs " + attributes + b"></ValCurs>")
