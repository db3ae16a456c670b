"""manage.py import_rates FILE…"""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from rates.models import Rate, StoredSheet
from rates.quotes import newest_quote
from tests.standins.cbr import DATA_DIR, CbrStandin

pytestmark = pytest.mark.django_db
SHEET = DATA_DIR / "daily_2026-04-25.xml"
USD_SERIES = DATA_DIR / "dynamic_R01235_2026-03-01_05.xml"


@pytest.fixture(autouse=True)
def _redis(empty_redis: str) -> None:
    pass


def import_rates(*paths: Path) -> tuple[str, str, bool]:
    """Standard output, standard error and whether it succeeded."""
    out, err = StringIO(), StringIO()
    try:
        call_command("import_rates", *map(str, paths), stdout=out, stderr=err)
    except CommandError as error:
        assert error.returncode == 1
        return out.getvalue(), err.getvalue() + str(error), False
    return out.getvalue(), err.getvalue(), True


def test_it_says_what_it_has_stored() -> None:
    out, err, succeeded = import_rates(SHEET, DATA_DIR / "daily_2016-12-09.xml", USD_SERIES)
    assert out.splitlines() == [
        "2026-04-25: 54 rates",
        "2016-12-09: 33 rates",
        "R01235 2026-03-03..2026-03-05: 3 rates",
    ]
    assert (err, succeeded) == ("", True)
    assert Rate.objects.count() == 54 + 33 + 3


def test_a_second_time_changes_nothing() -> None:
    import_rates(SHEET, USD_SERIES)
    before = list(Rate.objects.order_by("pk").values("pk", "currency", "date", "nominal", "value"))
    assert import_rates(SHEET, USD_SERIES)[2]
    assert list(Rate.objects.order_by("pk").values("pk", "currency", "date", "nominal", "value")) == before


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (SHEET.read_bytes()[:-100], "cut off"),
        (b"no rates here", "not XML"),
        (b"<!doctype html><html>Checking your browser</html>", "HTML page"),
        (SHEET.read_bytes().decode("windows-1251").encode(), "wrong encoding"),
        (b"", "empty"),
        ((DATA_DIR / "error_in_parameters.xml").read_bytes(), "Error in parameters"),
        (USD_SERIES.read_bytes().replace(b"04.03.2026", b"03.03.2026"), "not in order"),
        (USD_SERIES.read_bytes().replace(b"R01235", b"R99999"), "no currency is known by the id R99999"),
        (USD_SERIES.read_bytes()[:-30], "cut off"),
    ],
)
def test_a_bad_file_is_named_with_its_reason_and_the_others_are_stored(
    tmp_path: Path, body: bytes, reason: str
) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_bytes(body)
    out, err, succeeded = import_rates(bad, SHEET)
    assert not succeeded
    assert f"{bad}: " in err
    assert reason in err
    assert "1 of 2 files not imported" in err
    assert out == "2026-04-25: 54 rates\n"
    assert Rate.objects.count() == 54


def test_nothing_of_a_bad_file_is_stored(tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    # The last of 54 rates is bad.
    head, _, tail = SHEET.read_bytes().rpartition(b"<Nominal>")
    bad.write_bytes(head + b"<Nominal>0" + tail.lstrip(b"0123456789"))
    assert not import_rates(bad)[2]
    assert (Rate.objects.count(), StoredSheet.objects.count()) == (0, 0)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    _, err, succeeded = import_rates(tmp_path / "missing.xml", tmp_path)
    assert not succeeded
    assert f"{tmp_path / 'missing.xml'}: it can't be read: No such file" in err
    assert f"{tmp_path}: it can't be read: Is a directory" in err


def test_a_series_alone_is_no_newest_sheet(cbr: CbrStandin) -> None:
    import_rates(DATA_DIR / "daily_2016-12-09.xml", USD_SERIES)
    cbr.mode = "500"
    assert newest_quote("EUR").date.isoformat() == "2016-12-09"


def test_an_imported_sheet_serves_at_once(cbr: CbrStandin) -> None:
    cbr.mode = "500"
    import_rates(DATA_DIR / "daily_2016-12-09.xml")
    assert newest_quote("USD").date.isoformat() == "2016-12-09"
    import_rates(SHEET)
    assert newest_quote("USD").date.isoformat() == "2026-04-25"
