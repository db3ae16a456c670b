"""Webhooks: signed, bounded, and never to an address inside. The receiver is a real server on loopback."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import redis

from notifier import addresses, delivery
from notifier.backends import Busy, PermanentError, TemporaryError, patience, webhook
from notifier.models import RateRequest
from project.accounts.models import ApiToken
from tests.kafka.secure import make_certificates
from tests.notifier.conftest import Api


class Receiver(ThreadingHTTPServer):
    """Answers with `status`; keeps what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.headers, self.got = 200, {}, []  # type: ignore[var-annotated]
        self.drip = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.server_port}/hook?x=1"

    def end(self) -> None:
        self.drip.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        if self.server.status == 0:
            self._drip()
            return
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self) -> None:
        """A byte now and then, each well within any time limit of one read."""
        try:
            while not self.server.drip.wait(0.05):
                self.wfile.write(b"H")
        except OSError:
            pass  # the client has gone

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def nobody_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process knows of hosts outlives a test."""
    monkeypatch.setattr(patience, "_slow_until", {})
    monkeypatch.setattr(patience, "_trusted_until", {})


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOW_HTTP = settings.WEBHOOK_ALLOW_PRIVATE = True
    server = Receiver()
    yield server
    server.end()


@pytest.fixture
def token(db: None) -> tuple[ApiToken, dict[str, str]]:
    token, secret = ApiToken.objects.issue("a shop")
    return token, {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def ask(api: Api, url: Any, who: dict[str, str], **more: Any) -> Any:
    return api.post({"currency_char_code": "USD", "webhook_url": url, **more}, **who)


def test_the_rate_arrives_signed(
    api: Api, receiver: Receiver, token: Any, found: dict[str, Any], outbox: list[Any]
) -> None:
    answer = ask(api, receiver.url(), token[1])
    assert answer.status_code == 202, answer.json()
    pk = answer.json()["id"]
    delivery.deliver(found, pk)
    ((path, headers, body),) = receiver.got
    assert (path, headers["Host"]) == ("/hook?x=1", f"127.0.0.1:{receiver.server_port}")
    told = json.loads(body)
    assert (told["id"], told["currency_char_code"], told["rate"]["value"]) == (pk, "USD", "75.5273")
    assert "75,5273" in told["text"]
    assert abs(int(headers["X-Rates-Timestamp"]) - time.time()) < 60
    assert headers["X-Rates-Signature"] == webhook.signature(
        token[0].webhook_secret, headers["X-Rates-Timestamp"], body
    )
    assert headers["X-Rates-Request"] == pk
    row = RateRequest.objects.get()
    assert (row.status, row.telegram_id, outbox) == ("delivered", None, [])
    seen = api.get(answer.json()["status_url"], **token[1]).json()
    assert (seen["webhook_url"], seen["telegram_id"]) == (receiver.url(), None)
    assert api.get(answer.json()["status_url"]).json()["webhook_url"] == "…"


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_answers_that_are_tried_again(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": "7"}
    with pytest.raises(TemporaryError) as told:
        webhook.send(receiver.url(), "secret", "id", {})
    assert told.value.retry_after == 7


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410])
def test_answers_that_end_it(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"Location": receiver.url()}
    with pytest.raises(PermanentError) as told:
        webhook.send(receiver.url(), "secret", "id", {})
    assert (told.value.code, len(receiver.got)) == ("webhook_refused", 1)


def test_a_receiver_that_drips_is_cut_off(receiver: Receiver, settings: Any) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS, receiver.status = 1, 0
    started = time.monotonic()
    with pytest.raises(TemporaryError):
        webhook.send(receiver.url(), "secret", "id", {})
    assert time.monotonic() - started < 5


def test_while_a_host_is_slow_one_process_waits_for_it(
    receiver: Receiver, empty_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience._trusted_until["The webhook's host localhost"] = time.monotonic() + 30
    monkeypatch.setattr(patience, "SLOW_SHARE", 0.0)  # any call is slow
    webhook.send(receiver.url(), "secret", "id", {})
    monkeypatch.setattr(patience, "SLOW_SHARE", 1.0)
    with redis.Redis.from_url(empty_redis) as another:
        another.set(patience.TURN, "1")
        with pytest.raises(Busy, match=r"127\.0\.0\.1 is slow"):
            webhook.send(receiver.url(), "secret", "id", {})
        webhook.send(receiver.url(host="localhost"), "secret", "id", {})  # another host
        another.delete(patience.TURN)
    webhook.send(receiver.url(), "secret", "id", {})
    assert len(receiver.got) == 3


def test_while_one_host_is_slow_those_that_are_not_known_wait_for_their_turn(
    receiver: Receiver, empty_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred dead hosts, each called for the first time, would else keep all processes waiting."""
    monkeypatch.setattr(patience, "SLOW_SHARE", 1.0)
    webhook.send(receiver.url(host="localhost"), "secret", "id", {})  # it answers well
    patience._slow_until["webhooks"] = time.monotonic() + 30
    with redis.Redis.from_url(empty_redis) as another:
        another.set(patience.TURN, "1")
        with pytest.raises(Busy):
            webhook.send(receiver.url(), "secret", "id", {})
        webhook.send(receiver.url(host="localhost"), "secret", "id", {})
        another.delete(patience.TURN)
    webhook.send(receiver.url(), "secret", "id", {})
    assert len(receiver.got) == 3


def test_a_name_that_nobody_answers_for(receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.1
    end, real = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return end.wait(10) if host == "slow.example" else real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(TemporaryError, match=r"was not found within 0\.1 s") as told:
        webhook.send(receiver.url(host="slow.example"), "secret", "id", {})
    end.set()
    assert not told.value.maybe_sent


def test_nobody_there(settings: Any, receiver: Receiver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TemporaryError, match="can't be reached"):
            webhook.send(f"http://127.0.0.1:{unused.getsockname()[1]}/secret-path", "secret", "id", {})


def test_a_failed_webhook_says_so(api: Api, receiver: Receiver, token: Any, found: dict[str, Any]) -> None:
    receiver.status = 404
    pk = ask(api, receiver.url(), token[1]).json()["id"]
    delivery.deliver(found, pk)
    row = RateRequest.objects.get()
    assert (row.status, row.error_code) == ("failed", "webhook_refused")
    assert "Вебхук" in row.error and "404" in row.error


def test_a_name_that_points_inside_is_not_called(
    receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name looks well at the door; at the connection it is what it resolves to that counts."""
    settings.WEBHOOK_ALLOW_PRIVATE = False
    resolves_to(monkeypatch, ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(PermanentError) as told:
        webhook.send(receiver.url(host="rates.example.org"), "secret", "id", {})
    assert (told.value.code, receiver.got) == ("webhook_forbidden", [])


def test_a_name_is_resolved_once_and_that_address_is_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolves_to(monkeypatch, ["127.0.0.1"])
    webhook.send(receiver.url(host="rates.example.org"), "secret", "id", {})
    assert asked == ["rates.example.org"]
    assert receiver.got[0][1]["Host"] == f"rates.example.org:{receiver.server_port}"


def resolves_to(monkeypatch: pytest.MonkeyPatch, ips: list[str]) -> list[str]:
    """Names resolve to these; returns those that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host)[0].isdigit():
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_tls_is_for_the_name(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The certificate is 127.0.0.1's: by another name it is refused, although the connection goes there."""
    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    monkeypatch.setattr("notifier.backends.webhook.certs.where", lambda: str(tmp_path / "ca.pem"))
    webhook.send(receiver.url("https"), "secret", "id", {})
    assert len(receiver.got) == 1
    resolves_to(monkeypatch, ["127.0.0.1"])
    with pytest.raises(TemporaryError, match="SSLCertVerificationError"):
        webhook.send(receiver.url("https", "rates.example.org"), "secret", "id", {})
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "url",
    [
        *["", " ", "x", "//example.org/", "http://example.org/", "ftp://example.org/", "https://", "https:///x", 42],
        *["https://user:pw@example.org/", "https://example.org/#x", "https://example.org:99999/", "https://a b/"],
        *[
            "https://пример.рф/",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/",
        ],
        *["https://[::ffff:10.0.0.1]/", "https://0.0.0.0/", "https://example.org:0/", "https://example.org/\nx", "[]"],
        *["https://[::1/", "https://example.org/" + "x" * 2000, "https://example.org\\@127.0.0.1/", ["https://a.org"]],
    ],
)
def test_addresses_that_are_refused_at_the_door(api: Api, token: Any, url: Any) -> None:
    answer = ask(api, url, token[1])
    field = "telegram_id" if url == "" else "webhook_url"
    assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *[("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True), ("::ffff:93.184.215.14", True)],
        *[("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False), ("0.0.0.0", False)],
        *[("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False)],
        *[("240.0.0.1", False), ("::1", False), ("::", False), ("fe80::1", False), ("fc00::1", False)],
        *[("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("ff02::1", False)],
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert addresses.allowed(ip_address(address)) is public


def test_a_webhook_takes_a_token_and_no_telegram_id_beside(api: Api, token: Any) -> None:
    answer = ask(api, "https://example.org/", {})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    both = ask(api, "https://example.org/", token[1], telegram_id=42)
    assert (both.status_code, list(both.json())) == (400, ["webhook_url"])
    assert not RateRequest.objects.exists()
    form = {"currency_char_code": "usd", "telegram_id": "", "webhook_url": "https://example.org/"}
    assert api.post(form, format="multipart", **token[1]).status_code == 202
