"""Tells a rate by a signed POST of JSON to the address that a request names, instead of a Telegram id.

The receiver checks `X-Rates-Signature`: `v1=` and the hex HMAC-SHA256, with the webhook secret of the token that the
request was made with, over `X-Rates-Timestamp`, a dot and the body. The timestamp tells a replay, `X-Rates-Request` a
repeat. Any 2xx means that it has arrived.

Python's own HTTP client, because the connection has to go to an address that was checked, with TLS for the host's name;
and it follows no redirect, sends no cookie and asks no proxy.
"""

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

from django.conf import settings
from requests import certs

from notifier import addresses
from notifier.backends.base import PermanentError, TemporaryError
from notifier.backends.patience import patience

USER_AGENT = "celery-kafka-rates-webhook/1"
# Answers of "not now" among the 4xx.
PATIENCE = {408, 425, 429}
# Of a host's addresses, how many are tried.
TRIED = 3


class NotConnected(OSError):
    """Nothing was sent."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={mac.hexdigest()}"


def send(url: str, secret: str, request_id: str, payload: dict[str, Any]) -> None:
    """Deliver, once it returns. Bounded in time. Raises PermanentError, TemporaryError or Busy.

    No error names the address beyond its host: the rest may be a secret.
    """
    body = json.dumps(payload, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Rates-Request": request_id,
        "X-Rates-Timestamp": timestamp,
        "X-Rates-Signature": signature(secret, timestamp, body),
    }
    try:
        who = f"The webhook's host {addresses.split(url).hostname}"
        with patience(who, settings.WEBHOOK_TIMEOUT_SECONDS, "webhooks"):
            status, retry_after = _post(url, body, headers)
    except addresses.Forbidden as error:
        raise PermanentError("webhook_forbidden", str(error)) from None
    except (OSError, HTTPException) as error:
        # Also a certificate that isn't right: it may be renewed meanwhile.
        reason = f"the webhook can't be reached: {type(error).__name__}: {error}"[:300]
        raise TemporaryError(reason, maybe_sent=not isinstance(error, NotConnected | ssl.SSLError)) from None
    if 200 <= status < 300:
        return
    if status in PATIENCE or status >= 500:
        raise TemporaryError(f"the webhook answered {status}", retry_after)
    raise PermanentError("webhook_refused", f"the webhook answered {status}")


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, float | None]:
    """The answer's status and Retry-After. Of its body nothing is read."""
    parts = addresses.split(url)
    host, port = str(parts.hostname), parts.port or addresses.PORTS[parts.scheme]
    deadline = time.monotonic() + settings.WEBHOOK_TIMEOUT_SECONDS
    try:
        found = addresses.resolve(host, port, settings.WEBHOOK_TIMEOUT_SECONDS)[:TRIED]
    except OSError as error:
        raise NotConnected(str(error)) from error
    connected = _connect(found, port, deadline)
    with _ends_at(deadline, connected), connected:
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=certs.where())
            sock: socket.socket = context.wrap_socket(connected, server_hostname=host)
        else:
            sock = connected
        with sock:
            client = HTTPConnection(host, port)
            client.default_port = addresses.PORTS[parts.scheme]  # for the Host header
            client.sock = sock
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            client.request("POST", target, body, headers)
            answer = client.getresponse()
            return answer.status, _seconds(answer.headers.get("Retry-After"))


def _connect(hosts: list[str], port: int, deadline: float) -> socket.socket:
    """A connection to the first address that takes one. Raises NotConnected."""
    for number, address in enumerate(hosts, start=1):
        left = max(deadline - time.monotonic(), 0.1)
        try:
            return socket.create_connection((address, port), left / (len(hosts) - number + 1))
        except OSError as error:
            if number == len(hosts):
                raise NotConnected(str(error)) from error
    raise NotConnected("it has no address")


@contextmanager
def _ends_at(deadline: float, sock: socket.socket) -> Iterator[None]:
    """The time limits of sockets are for each call, and there may be many: this one is for all of them."""
    left = max(deadline - time.monotonic(), 0.1)
    sock.settimeout(left)
    # A copy of the descriptor: TLS takes the socket's own, and a shut connection is shut for both.
    copy = sock.dup()
    timer = threading.Timer(left, _shut, [copy])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        copy.close()


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None
