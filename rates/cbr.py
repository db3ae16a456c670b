"""The Bank of Russia's service: one question, bounded in time and in size.

It stands behind a guard that knows neither ETag nor Last-Modified and answers some clients with an HTML page
or 403. The service is described at https://www.cbr.ru/development/sxml/.
"""

import datetime
import math
import time
import zlib
from urllib.parse import urlencode, urljoin

import requests
import urllib3
from django.conf import settings

from rates.series import Series, parse_series
from rates.sheets import BadSheet, Sheet, parse_sheet

CHUNK_BYTES = 16 * 1024
MAX_REDIRECTS = 5


class CbrUnavailable(Exception):
    """The CBR can't be reached or doesn't send a sheet: use what is stored. The text says why."""


def transfer_bound() -> float:
    """Seconds after which a reply that still trickles in is given up; one read more may be under way then."""
    return settings.CBR_CONNECT_TIMEOUT_SECONDS + settings.CBR_READ_TIMEOUT_SECONDS


def fetch_sheet(day: datetime.date | None = None) -> Sheet:
    """The sheet in force on `day`, perhaps of an earlier date; without it the newest that the CBR has registered.

    Raises CbrUnavailable.
    """
    query = "?" + urlencode({"date_req": f"{day:%d/%m/%Y}"}) if day else ""
    try:
        sheet = parse_sheet(_get("XML_daily.asp" + query))
    except BadSheet as error:
        raise CbrUnavailable(f"the CBR's reply is no sheet: {error}") from error
    if day and sheet.date > day:
        raise CbrUnavailable(f"the CBR's reply is the sheet of {sheet.date}, asked for was that of {day}")
    return sheet


def fetch_series(cbr_id: str, start: datetime.date, end: datetime.date, *, seconds: float) -> Series:
    """What the CBR has of one currency from `start` to `end`, perhaps nothing. Raises CbrUnavailable.

    No single wait is longer than `seconds`: somebody may be waiting for a page.
    """
    query = {"date_req1": f"{start:%d/%m/%Y}", "date_req2": f"{end:%d/%m/%Y}", "VAL_NM_RQ": cbr_id}
    try:
        series = parse_series(_get("XML_dynamic.asp?" + urlencode(query), seconds))
    except BadSheet as error:
        raise CbrUnavailable(f"the CBR's reply is no series: {error}") from error
    if series.cbr_id != cbr_id or any(not start <= rate.date <= end for rate in series.rates):
        raise CbrUnavailable("the CBR's reply is another series than the one asked for")
    return series


def _get(script: str, seconds: float = math.inf) -> bytes:
    # A folder without its last slash would lose its last part.
    url = urljoin(settings.CBR_URL.rstrip("/") + "/", script)
    deadline = time.monotonic() + min(transfer_bound(), seconds)
    timeout = (
        min(settings.CBR_CONNECT_TIMEOUT_SECONDS, seconds),
        min(settings.CBR_READ_TIMEOUT_SECONDS, seconds),
    )
    headers = {"User-Agent": settings.CBR_USER_AGENT, "Accept": "application/xml, text/xml"}
    try:
        with requests.Session() as session:
            session.max_redirects = MAX_REDIRECTS
            with session.get(url, headers=headers, timeout=timeout, stream=True) as response:
                if response.status_code != requests.codes.ok:
                    raise CbrUnavailable(f"the CBR answers with status {response.status_code}")
                return _read(response.raw, deadline)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise CbrUnavailable(f"the CBR can't be reached: {type(error).__name__}: {error}"[:500]) from error


def _read(raw: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body, at most CBR_MAX_BYTES of it both on the wire and unpacked."""
    body = bytearray()
    # read1 returns what has come; read would wait for a whole chunk, however slowly it trickles in.
    while chunk := raw.read1(CHUNK_BYTES, decode_content=False):
        body += chunk
        _check_size(len(body))
        if time.monotonic() > deadline:
            raise CbrUnavailable("the CBR's reply took too long")
    return _unpack(bytes(body), raw.headers.get("Content-Encoding", "identity").lower())


def _unpack(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding not in {"gzip", "deflate"}:
        raise CbrUnavailable(f"the CBR's reply has the unknown encoding {encoding[:40]}")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacker.decompress(body, settings.CBR_MAX_BYTES + 1)
    except zlib.error as error:
        raise CbrUnavailable(f"the CBR's reply can't be unpacked: {error}") from error
    _check_size(len(unpacked))
    if not unpacker.eof:
        raise CbrUnavailable("the CBR's reply is cut off")
    return unpacked


def _check_size(size: int) -> None:
    if size > settings.CBR_MAX_BYTES:
        raise CbrUnavailable(f"the CBR's reply is larger than {settings.CBR_MAX_BYTES} bytes")
