"""The stand-in speaks the CBR's wire format, and can be a process of its own."""

import datetime
import subprocess
import sys

import pytest
import requests

from rates.series import parse_series
from rates.sheets import parse_sheet
from tests.standins.cbr import MODES, CbrStandin, recorded_sheets


def daily(cbr: CbrStandin, date_req: str) -> requests.Response:
    return requests.get(f"{cbr.url}XML_daily.asp", {"date_req": date_req}, timeout=5)


def test_it_sends_the_recorded_bytes(cbr: CbrStandin) -> None:
    response = daily(cbr, "09/12/2016")
    assert response.content == recorded_sheets()[datetime.date(2016, 12, 9)]
    assert response.headers["Content-Type"] == "text/xml; charset=windows-1251"


def test_a_day_without_a_sheet_gets_the_one_before(cbr: CbrStandin) -> None:
    assert parse_sheet(daily(cbr, "01/01/2017").content).date == datetime.date(2016, 12, 9)


@pytest.mark.parametrize("date_req", ["32/01/2026", "2026-01-01", "01/01/1990"])
def test_wrong_parameters_are_told_with_status_200(cbr: CbrStandin, date_req: str) -> None:
    response = daily(cbr, date_req)
    assert response.status_code == 200
    assert b"Error in parameters" in response.content


def test_series_are_those_of_the_range(cbr: CbrStandin) -> None:
    query = {"date_req1": "04/03/2026", "date_req2": "31/03/2026", "VAL_NM_RQ": "R01235"}
    response = requests.get(f"{cbr.url}XML_dynamic.asp", query, timeout=5)
    assert response.headers["Content-Type"] == "application/xml; charset=windows-1251"
    assert [str(rate.value) for rate in parse_series(response.content).rates] == ["77.6093", "77.8009"]


def test_as_a_process_it_is_controlled_over_http() -> None:
    command = [sys.executable, "-m", "tests.standins.cbr", "--mode", "403"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            assert requests.get(f"{url}XML_daily.asp", timeout=5).status_code == 403
            state = requests.post(f"{url}_control", json={"mode": "ok"}, timeout=5).json()
            assert state == {"mode": "ok", "requests": 1, "modes": MODES}
            assert len(parse_sheet(requests.get(f"{url}XML_daily.asp", timeout=5).content).rates) == 54
            assert requests.post(f"{url}_control", json={"mode": "fly"}, timeout=5).status_code == 400
        finally:
            process.terminate()
