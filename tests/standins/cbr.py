"""A local server that speaks like the Bank of Russia's XML service, with failures on demand.

In pytest:  with CbrStandin() as cbr: … cbr.url …, cbr.mode = "403", cbr.requests
A process:  python -m tests.standins.cbr --port 0      (prints its URL, the value for CBR_URL)
            curl -d '{"mode": "cut"}' <URL>_control    (changes what it does; GET tells its mode and requests)

It serves the project's recorded replies, so what it says in mode "ok" has been said by the Bank itself.
"""

import argparse
import contextlib
import functools
import gzip
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

DATA_DIR = Path(__file__).parents[2] / "rates" / "data"
FOLDER = "/scripts/"
MODES = {
    "ok": "the recorded replies",
    "gzip": "the same, packed",
    "redirect": "302 to where the reply is",
    "403": "status 403 with a page",
    "500": "status 500 with a page",
    "splash": "a page for browsers, with status 200",
    "cut": "the reply without its end, its length told as if that were all",
    "short": "the reply without its end, its whole length told",
    "empty": "nothing, with status 200",
    "error": "Error in parameters, with status 200",
    "utf8": "declares windows-1251 and holds UTF-8",
    "slow": "says nothing for `seconds`",
    "trickle": "a byte every tenth of a second, for `seconds`",
    "large": "a reply of 64 MB",
    "bomb": "a small packed reply that unpacks to 64 MB",
}
PAGE = b"<!DOCTYPE html><html><head><title>DDOS-GUARD</title></head><body>Checking your browser</body></html>"
HUGE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a client."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


def wire_sheet(day: date, rows: Iterable[tuple[str, str, str, int, str, str]]) -> bytes:
    """A daily sheet in wire form; a row is (id, number, code, nominal, name, value with a comma)."""
    valutes = "".join(
        f'<Valute ID="{cbr_id}"><NumCode>{number}</NumCode><CharCode>{code}</CharCode>'
        f"<Nominal>{nominal}</Nominal><Name>{name}</Name><Value>{value}</Value></Valute>"
        for cbr_id, number, code, nominal, name, value in rows
    )
    text = (
        '<?xml version="1.0" encoding="windows-1251"?>'
        f'<ValCurs Date="{day:%d.%m.%Y}" name="Foreign Currency Market">{valutes}</ValCurs>'
    )
    return text.encode("windows-1251")


@dataclass
class CbrStandin:
    """Runs while its `with` block does. Everything but the port may change meanwhile."""

    port: int = 0
    mode: str = "ok"
    # How long "slow" and "trickle" last; the end of the block ends them too.
    seconds: float = 60.0
    # Daily sheets by day; the newest is what a question without date_req gets.
    sheets: dict[date, bytes] = field(default_factory=lambda: recorded_sheets())
    requests: list[Asked] = field(default_factory=list)
    # Set while questions are being answered; clear it to hold all of them back.
    gate: threading.Event = field(default_factory=threading.Event)
    # Set by the first question.
    asked: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    host: str = "127.0.0.1"

    def __enter__(self) -> Self:
        self.gate.set()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer((self.host, self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        # A short poll, so that the end of a test doesn't wait for it.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stopped.set()
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The value for CBR_URL."""
        return f"http://{self.host}:{self.port}{FOLDER}"

    def control(self, changes: dict[str, Any]) -> None:
        """What POST _control does: {"mode": "slow", "seconds": 2}, {"forget": true} forgets the requests."""
        if changes.get("mode", "ok") not in MODES:
            raise ValueError(f"modes: {', '.join(MODES)}")
        self.mode = changes.get("mode", self.mode)
        self.seconds = float(changes.get("seconds", self.seconds))
        if changes.get("forget"):
            self.requests.clear()

    def reply(self, script: str, query: dict[str, str]) -> tuple[str, bytes]:
        """Content type and body of the service's answer to a question."""
        if script == "XML_daily.asp":
            return "text/xml; charset=windows-1251", self._daily(query.get("date_req"))
        return "application/xml; charset=windows-1251", _dynamic(query)

    def _daily(self, asked: str | None) -> bytes:
        try:
            latest = asked_date(asked) if asked else date.max
        except ValueError:
            return error_in_parameters()
        days = [day for day in self.sheets if day <= latest]
        return self.sheets[max(days)] if days else error_in_parameters()


def recorded_sheets() -> dict[date, bytes]:
    """The recorded daily sheets by the day in their names."""
    paths = DATA_DIR.glob("daily_*.xml")
    return {date.fromisoformat(path.stem.removeprefix("daily_")): path.read_bytes() for path in paths}


@functools.cache
def huge_packed() -> bytes:
    """64 MB of spaces in 64 KB."""
    return gzip.compress(b" " * HUGE)


def error_in_parameters() -> bytes:
    """What the service says, with status 200, to a question that it doesn't understand."""
    return (DATA_DIR / "error_in_parameters.xml").read_bytes()


def asked_date(text: str) -> date:
    """Questions write DD/MM/YYYY; the service takes dots too. Raises ValueError."""
    return datetime.strptime(text.replace(".", "/"), "%d/%m/%Y").date()


def _dynamic(query: dict[str, str]) -> bytes:
    """The records of the recorded series that are within the range asked for, perhaps none."""
    try:
        first, last = asked_date(query["date_req1"]), asked_date(query["date_req2"])
        cbr_id = re.fullmatch(r"R\w{1,9}", query["VAL_NM_RQ"])
    except (KeyError, ValueError):
        return error_in_parameters()
    if cbr_id is None:
        return error_in_parameters()
    recorded = b"".join(path.read_bytes() for path in DATA_DIR.glob(f"dynamic_{cbr_id[0]}_*.xml"))
    records = [
        record[0]
        for record in re.finditer(rb'<Record Date="([\d.]+)".*?</Record>', recorded)
        if first <= asked_date(record[1].decode()) <= last
    ]
    start = (
        f'<?xml version="1.0" encoding="windows-1251"?><ValCurs ID="{cbr_id[0]}" DateRange1="{first:%d.%m.%Y}" '
        f'DateRange2="{last:%d.%m.%Y}" name="Foreign Currency Market Dynamic">'
    )
    return start.encode() + b"".join(records) + b"</ValCurs>"


class _Handler(BaseHTTPRequestHandler):
    stand_in: CbrStandin
    protocol_version = "HTTP/1.1"
    server_version = "ddos-guard"
    sys_version = ""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if not self.path.endswith("/_control"):
            return self._send(404, "text/html", PAGE)
        try:
            self.stand_in.control(json.loads(body))
        except ValueError as error:
            return self._send(400, "text/plain", str(error).encode())
        return self._send_state()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        script = url.path.rpartition("/")[2]
        if script == "_control":
            return self._send_state()
        if not url.path.startswith(FOLDER) or script not in {"XML_daily.asp", "XML_dynamic.asp"}:
            return self._send(404, "text/html", PAGE)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if "moved" not in query:
            self.stand_in.requests.append(Asked(url.path, query, dict(self.headers)))
            self.stand_in.asked.set()
        self.stand_in.gate.wait()
        with contextlib.suppress(ConnectionError):
            self._answer(script, query)
        return None

    def _answer(self, script: str, query: dict[str, str]) -> None:
        mode = self.stand_in.mode
        content_type, body = self.stand_in.reply(script, query)
        xml = {"Content-Type": content_type}
        match mode:
            case "403" | "500":
                self._send(int(mode), "text/html; charset=utf-8", PAGE)
            case "splash":
                self._send(200, "text/html; charset=utf-8", PAGE)
            case "redirect" if "moved" not in query:
                self._send(302, "text/html", b"", {"Location": f"{self.path}?moved=1"})
            case "slow":
                self.stand_in.stopped.wait(self.stand_in.seconds)
                self._send(200, content_type, body)
            case "trickle":
                self._trickle(xml, body)
            case "short":
                self._send(200, content_type, body[: len(body) // 2], {"Content-Length": str(len(body))})
            case "gzip":
                self._send(200, content_type, gzip.compress(body), {"Content-Encoding": "gzip"})
            case "bomb":
                self._send(200, content_type, huge_packed(), {"Content-Encoding": "gzip"})
            case _:
                self._send(200, content_type, _spoilt(mode, body))

    def _trickle(self, headers: dict[str, str], body: bytes) -> None:
        self._start(200, headers | {"Content-Length": str(len(body))})
        for number, byte in enumerate(body):
            if number >= self.stand_in.seconds * 10 or self.stand_in.stopped.wait(0.1):
                break
            self.wfile.write(bytes([byte]))
        self.close_connection = True

    def _send_state(self) -> None:
        state = {"mode": self.stand_in.mode, "requests": len(self.stand_in.requests), "modes": MODES}
        self._send(200, "application/json", json.dumps(state).encode())

    def _send(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._start(status, {"Content-Type": content_type, "Content-Length": str(len(body))} | (headers or {}))
        self.wfile.write(body)
        # The length told may be another; and nobody asks twice in a row.
        self.close_connection = True

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The requests are counted, not printed."""


def _spoilt(mode: str, body: bytes) -> bytes:
    match mode:
        case "cut":
            return body[: len(body) // 2]
        case "empty":
            return b""
        case "error":
            return error_in_parameters()
        case "utf8":
            return body.decode("windows-1251").encode("utf-8")
        case "large":
            return body + b" " * HUGE
    return body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mode", choices=MODES, default="ok")
    options = parser.parse_args()
    with CbrStandin(port=options.port, mode=options.mode) as stand_in, contextlib.suppress(KeyboardInterrupt):
        print(stand_in.url, flush=True)
        stand_in.stopped.wait()


if __name__ == "__main__":
    main()
