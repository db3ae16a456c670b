"""Waking of the relays when a request has become due, so that it is published within milliseconds.

On PostgreSQL by NOTIFY, on SQLite by a datagram to a socket beside the database's file. Waking is for speed only: what
is not heard is found by the relay's next look at the database, so nothing here fails or waits.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from django.db import connection, transaction

CHANNEL = "rate_requests"


@contextmanager
def afterwards() -> Iterator[None]:
    """Wake the relays once the statement inside is committed; an exception wakes nobody.

    On PostgreSQL a transaction holds both, which costs one write to the disk. On SQLite the statement is its own: in a
    transaction the lock that all writers wait for would be held between its calls too, while other threads have the
    interpreter.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic():
            yield
            with connection.cursor() as cursor:
                cursor.execute(f"NOTIFY {CHANNEL}")
    else:
        yield
        transaction.on_commit(_ring, robust=True)


class Bell(Protocol):
    """Rings by being readable."""

    def fileno(self) -> int: ...

    def clear(self) -> None:
        """Rings that came before this are over. Raises django.db.OperationalError where it is broken."""

    def close(self) -> None: ...


def bell() -> Bell:
    """A relay's. Raises django.db.OperationalError where the database is away."""
    return _DatabaseBell() if connection.vendor == "postgresql" else _SocketBell()


class _DatabaseBell:
    """A connection of its own: nothing else may read its notifications."""

    def __init__(self) -> None:
        self._connection = connection.copy()
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")

    def fileno(self) -> int:
        number: int = self._connection.connection.fileno()
        return number

    def clear(self) -> None:
        with self._connection.wrap_database_errors:
            for _ in self._connection.connection.notifies(timeout=0):
                pass

    def close(self) -> None:
        self._connection.close()


class _SocketBell:
    """Of two relays on one machine the newer is rung, the older looks into the database."""

    def __init__(self) -> None:
        self._socket = _socket()
        with _address() as address:
            Path(address).unlink(missing_ok=True)
            self._socket.bind(address)
            Path(address).chmod(0o600)

    def fileno(self) -> int:
        return self._socket.fileno()

    def clear(self) -> None:
        with suppress(BlockingIOError):
            while self._socket.recv(1):
                pass

    def close(self) -> None:
        self._socket.close()


def _ring() -> None:
    # No relay is there (it looks when it starts), or so many rings wait that it will wake anyway.
    with suppress(OSError), _address() as address, _socket() as ringer:
        ringer.sendto(b"\0", address)


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


@contextmanager
def _address() -> Iterator[str]:
    """The socket's, by way of its open folder: the whole path may be longer than the 107 bytes that a socket's has."""
    file = Path(connection.settings_dict["NAME"])
    folder = os.open(file.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{file.name}-wake"
    finally:
        os.close(folder)
