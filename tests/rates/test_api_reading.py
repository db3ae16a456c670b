"""The addresses of rates beside the plain lists: days without a sheet, changes, history, charts, conversion, state."""

import csv
import datetime
import io
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from rates.history import load_bundled
from rates.sheets import parse_sheet
from rates.store import save_sheet
from tests.standins.cbr import CbrStandin, wire_sheet

pytestmark = pytest.mark.django_db
MARCH = "from=2026-03-01&to=2026-03-31"


@pytest.fixture
def bundled(empty_redis: str) -> None:
    load_bundled()


@pytest.fixture
def two_days() -> None:
    for day, dollar, sum_ in ((23, "80,0000", (1000, "6,4000")), (24, "81,0000", (10_000, "64,6400"))):
        rows = [
            ("R01235", "840", "USD", 1, "Доллар США", dollar),
            ("R01717", "860", "UZS", sum_[0], "Узбекских сумов", sum_[1]),
        ]
        save_sheet(parse_sheet(wire_sheet(datetime.date(2026, 4, day), rows)))


def get(client: Client, path: str, status: int = 200) -> Any:
    response = client.get(f"/api/v1/{path}")
    assert response.status_code == status, response.content
    return response.json()


def test_a_sunday_has_saturdays_rates_and_says_so(client: Client, bundled: None) -> None:
    rates = get(client, "rates/?date=2026-04-26")
    assert {(rate["date"], rate["effective_date"]) for rate in rates} == {("2026-04-25", "2026-04-25")}
    assert all("effective_date" not in rate for rate in get(client, "rates/?date=2026-04-25"))
    assert get(client, "rates/USD/?date=2026-04-26")["effective_date"] == "2026-04-25"
    assert get(client, "rates/?date=2010-01-01", 404)["code"] == "no_sheet"


def test_only_some_currencies(client: Client, bundled: None) -> None:
    assert [rate["char_code"] for rate in get(client, "rates/?codes=usd,EUR,USD")] == ["EUR", "USD"]
    missing = get(client, "rates/?codes=USD,XXX,BGN", 404)
    assert (missing["code"], missing["codes"]) == ("unknown_codes", ["BGN", "XXX"])
    # Of a day without a sheet, single currencies may be known by their history.
    assert get(client, "rates/?codes=USD&date=2026-03-04")[0]["date"] == "2026-03-04"
    for bad in ("US", "USD,", "USD EUR", "ДОЛ", "U%00D"):
        assert get(client, f"rates/?codes={bad}", 400)["code"] == "bad_parameters"


def test_the_change_is_of_unit_rates(client: Client, two_days: None) -> None:
    assert get(client, "rates/UZS/")["change"] == {
        "previous_date": "2026-04-23",
        "absolute": "0.000064",
        "percent": "1.0000",
    }
    assert get(client, "rates/USD/?date=2026-04-23")["change"] == {
        "previous_date": None,
        "absolute": None,
        "percent": None,
    }


def test_history_asks_once_and_is_paged(client: Client, bundled: None, cbr: CbrStandin) -> None:
    history = get(client, f"rates/usd/history/?{MARCH}&page_size=2")
    assert (history["count"], history["complete"], len(history["results"])) == (3, True, 2)
    assert history["results"][0] == {
        "date": "2026-03-03",
        "nominal": 1,
        "value": history["results"][0]["value"],
        "unit_value": history["results"][0]["value"],
    }
    rest = client.get(history["next"])
    assert [point["date"] for point in rest.json()["results"]] == ["2026-03-05"]
    assert 'rel="prev"' in rest["Link"]
    assert get(client, f"rates/usd/history/?{MARCH}&page=9", 404)["code"] == "no_page"
    assert len(cbr.requests) == 1


def test_history_by_weeks_months_and_as_csv(client: Client, bundled: None, cbr: CbrStandin) -> None:
    (month,) = get(client, f"rates/USD/history/?{MARCH}&group=month")["results"]
    (week,) = get(client, f"rates/USD/history/?{MARCH}&group=week")["results"]
    assert (month["period"], week["period"], month["days"]) == ("2026-03", "2026-W10", 3)
    assert month["low"] <= month["average"] <= month["high"]
    response = client.get(f"/api/v1/rates/USD/history/?{MARCH}&format=csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [line["date"] for line in lines] == ["2026-03-03", "2026-03-04", "2026-03-05"]
    bad = client.get("/api/v1/rates/USD/history/?from=x&format=csv")
    assert bad.status_code == 400 and b"bad_parameters" in bad.content


def test_without_the_cbr_history_says_that_it_is_incomplete(client: Client, bundled: None, cbr: CbrStandin) -> None:
    cbr.mode = "403"
    response = client.get("/api/v1/rates/USD/history/?from=2026-02-01&to=2026-03-31")
    assert (response.json()["complete"], response.json()["count"]) == (False, 3)
    assert (response["Cache-Control"], response["Rates-Incomplete"]) == ("no-store", "cbr_unavailable")
    chart = client.get("/api/v1/rates/USD/chart.svg?from=2026-02-01&to=2026-03-31")
    assert (chart.status_code, chart["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize(("kind", "media_type"), [("svg", "image/svg+xml"), ("png", "image/png")])
def test_charts(client: Client, bundled: None, cbr: CbrStandin, kind: str, media_type: str) -> None:
    for accept in ("*/*", "image/png", "image/webp,text/html"):
        response = client.get(f"/api/v1/rates/usd/chart.{kind}?{MARCH}&lang=en", headers={"accept": accept})
        assert (response.status_code, response["Content-Type"]) == (200, media_type)
    again = client.get(f"/api/v1/rates/usd/chart.{kind}?{MARCH}&lang=en", headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(client, f"rates/XXX/chart.{kind}", 404)["code"] == "unknown_currency"


def test_convert(client: Client, bundled: None) -> None:
    found = get(client, "convert/?from=usd&to=RUB&amount=100.50&date=2026-04-26")
    assert found == {
        "from": "USD",
        "to": "RUB",
        "amount": "100.5",
        "result": "7590.49365",
        "date": "2026-04-25",
        "asked_date": "2026-04-26",
        "source_rate": {"char_code": "USD", "nominal": 1, "value": "75.5273", "unit_value": "75.5273"},
        "target_rate": None,
    }
    assert get(client, "convert/?from=USD&to=XXX&amount=1", 404)["code"] == "no_rate"
    assert set(get(client, "convert/", 400)) == {"code", "detail", "from", "to", "amount"}


@pytest.mark.parametrize("amount", ["", "-1", "1e5", "NaN", "١", "1.1234567", "1" * 16, "1%00", "0x1", "1,5"])
def test_amounts_that_are_none(client: Client, bundled: None, amount: str) -> None:
    assert "amount" in get(client, f"convert/?from=USD&to=EUR&amount={amount}", 400)


def test_the_state(client: Client, bundled: None) -> None:
    with time_machine.travel(datetime.datetime(2026, 4, 27, 9, tzinfo=datetime.UTC), tick=False):
        found = get(client, "status/")
    assert (found["newest_date"], found["age_days"], found["error"]) == ("2026-04-25", 2, "")
    assert found["next_publication"] == "2026-04-27T12:30:00Z"


def test_answers_are_kept_until_the_next_sheet_may_be_there(client: Client, bundled: None, settings: Settings) -> None:
    def control(text: str) -> str:
        with time_machine.travel(datetime.datetime.fromisoformat(f"2026-04-{text}+03:00"), tick=False):
            return client.get("/api/v1/rates/")["Cache-Control"]

    # A Saturday, the Monday after it, and then the sheet is due and not here.
    assert control("25T15:30") == f"public, max-age={48 * 3600}"
    assert control("27T15:29") == "public, max-age=60"
    assert control("27T15:30") == f"public, max-age={settings.RATE_CACHE_TTL_SECONDS}"


@pytest.mark.parametrize(
    "path", ["rates/?date=x", "rates/XXX/", "convert/", "rates/USD/history/?from=x", "nothing/", "rates/?format=x"]
)
def test_no_error_is_cached(client: Client, bundled: None, path: str) -> None:
    response = client.get(f"/api/v1/{path}")
    assert response.status_code in {400, 404}
    assert (response["Cache-Control"], response.has_header("ETag")) == ("no-store", False)


def test_an_unchanged_answer_is_304(client: Client, bundled: None) -> None:
    for path in ("rates/", "rates/USD/", "currencies/", "convert/?from=USD&to=EUR&amount=1"):
        first = client.get(f"/api/v1/{path}")
        again = client.get(f"/api/v1/{path}", headers={"if-none-match": first["ETag"]})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


def test_a_kept_answer_asks_no_database_and_ends_with_a_change(
    client: Client, bundled: None, django_assert_num_queries: Any, django_capture_on_commit_callbacks: Any
) -> None:
    first = client.get("/api/v1/rates/")
    with django_assert_num_queries(0):
        second = client.get("/api/v1/rates/")
    assert (second.content, second["ETag"], second["Content-Type"]) == (
        first.content,
        first["ETag"],
        first["Content-Type"],
    )
    with django_capture_on_commit_callbacks(execute=True):
        rows = [("R01235", "840", "USD", 1, "Доллар США", "70,0000")]
        save_sheet(parse_sheet(wire_sheet(datetime.date(2026, 4, 28), rows)))
    assert get(client, "rates/")[0]["value"] == "70.0000"


@pytest.mark.parametrize(
    "path", ["rates/", "rates/USD/", f"rates/USD/history/?{MARCH}", "convert/?from=USD&to=EUR&amount=1", "status/"]
)
def test_pages_have_the_form_of_their_parameters(client: Client, bundled: None, cbr: CbrStandin, path: str) -> None:
    page = client.get(f"/api/v1/{path}", headers={"accept": "text/html"}).content.decode()
    assert ('id="filtersModal"' in page) == (path != "status/")
    assert ('name="date"' in page) == path.startswith(("rates/?", "convert")) or path in {"rates/", "rates/USD/"}
