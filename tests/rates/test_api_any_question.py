"""Whatever is asked, the answer is one or an error of the client's with a code: never a 5xx."""

from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rates.history import load_bundled
from tests.standins.cbr import CbrStandin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
TEXT = st.text(max_size=20) | st.sampled_from(["\0", "٢٠٢٦-٠٤-٢٥", "1e999", "-0", "Infinity", "9" * 400])
DATES = st.dates().map(str) | st.sampled_from(["0001-01-01", "9999-12-31", "0000-00-00", "2026-W01-1"]) | TEXT
CODES = st.sampled_from(["USD", "eur", "RUB", "XXX", "USD,EUR", ","]) | TEXT
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["date", "to"], DATES),
        "from": DATES | CODES,
        "codes": CODES,
        "amount": st.decimals().map(str) | TEXT,
        "group": st.sampled_from(["day", "week", "month"]) | TEXT,
        **dict.fromkeys(["page", "page_size"], st.integers().map(str) | TEXT),
        "format": st.sampled_from(["json", "csv"]) | TEXT,
    },
)
PATHS = st.sampled_from(
    ["rates/", "rates/USD/", "rates/usd/history/", "rates/XXX/history/", "convert/", "currencies/", "currencies/usd/"]
)


@pytest.fixture
def bundled(cbr: CbrStandin) -> None:
    load_bundled()


@given(path=PATHS, parameters=PARAMETERS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_parameters(client: Client, bundled: None, path: str, parameters: dict[str, str]) -> None:
    query = "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in parameters.items())
    response = client.get(f"/api/v1/{path}?{query}", headers={"accept": "application/json"})
    # 406: CSV is asked for, and JSON alone accepted.
    assert response.status_code in {200, 400, 404, 406}, response.content
    if response.status_code != 200:
        assert response.json()["code"] and response.json()["detail"]
        assert response["Cache-Control"] == "no-store"


@given(start=st.dates(), end=st.dates(), kind=st.sampled_from(["svg", "png"]))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_range_of_a_chart(client: Client, bundled: None, start: str, end: str, kind: str) -> None:
    response = client.get(f"/api/v1/rates/USD/chart.{kind}?from={start}&to={end}")
    assert response.status_code == (200 if start <= end else 400)
