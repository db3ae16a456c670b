"""Where a webhook may go: https, and addresses that everybody can reach, unless the settings allow more.

The check of a name is worth nothing before the connection, for a name may resolve differently a moment later. So it is
resolved once, what it resolves to is checked, and the connection goes to that very address (backends.webhook).
"""

import queue
import socket
import threading
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

NAT64 = IPv6Network("64:ff9b::/96")
PORTS = {"https": 443, "http": 80}


class Forbidden(Exception):
    """This address may not be called."""


def split(url: str) -> SplitResult:
    """Raises Forbidden, with words for the client, for what can't or may not be a webhook's address."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Forbidden("Must be an absolute URL in ASCII, without blanks.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Forbidden("Must be an absolute URL, such as https://example.org/rates.") from None
    schemes = ["https", "http"] if settings.WEBHOOK_ALLOW_HTTP else ["https"]
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise Forbidden(
            f"Must be an absolute URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}."
        )
    if parts.username is not None or parts.password is not None:
        raise Forbidden("Must have no user name or password in it; check the signature instead.")
    if parts.fragment:
        raise Forbidden("Must have no fragment (#…).")
    try:
        literal = ip_address(parts.hostname)
    except ValueError:
        return parts
    if not allowed(literal):
        raise Forbidden("Must be a public address.")
    return parts


def allowed(address: IPv4Address | IPv6Address) -> bool:
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return True
    if isinstance(address, IPv6Address) and (inner := _embedded(address)) is not None:
        return allowed(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this one ends at."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def resolve(host: str, port: int, within: float) -> list[str]:
    """The addresses of a host. Raises Forbidden where one of them isn't allowed, OSError where there are none, or
    where nobody knows them within so many seconds."""
    try:
        found = _look_up(host, port, within)
    except UnicodeError as error:  # a label that is empty or too long
        raise Forbidden("not a host name") from error
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    for address in addresses:
        if not allowed(ip_address(address)):
            raise Forbidden(f"{host} is {address}, which is no public address")
    return addresses


def _look_up(host: str, port: int, within: float) -> list[tuple[Any, ...]]:
    """getaddrinfo has no time limit, and neither a signal nor a task's soft limit ends it: a thread waits for it."""
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:  # noqa: BLE001  (it is raised below)
            answers.put(error)

    threading.Thread(target=ask, name=f"look up {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=within)
    except queue.Empty:
        raise TimeoutError(f"{host} was not found within {within:.1f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
