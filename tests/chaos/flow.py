"""A steady flow of requests, and the books on them: what was accepted, what became of it, who got which message."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from django.db import InterfaceError, OperationalError, connection

from notifier.models import RateRequest
from tests.standins.telegram import TelegramStandin

THREADS = 64
#: A client's patience with one POST, in seconds.
PATIENCE = 20.0
ENDED = ("delivered", "failed")


@dataclass
class Accepted:
    """A request that got its 202; each has a person of its own."""

    id: str
    person: int
    window: int


@dataclass(frozen=True)
class Answer:
    """How long a POST took, and how much of that until it was connected, in seconds."""

    seconds: float
    connected: float
    window: int
    #: Whether the fault was on when it was asked.
    amid: bool


@dataclass
class Books:
    """What was accepted and refused, by the window (the number of the fault) in which it was asked for."""

    accepted: list[Accepted] = field(default_factory=list)
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    answers: list[Answer] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [one.id for one in tuple(self.accepted)]


class Flow:
    """Posts `rate` requests a second until `stop`."""

    def __init__(self, url: str, rate: float) -> None:
        self._server, self._pause = urlsplit(url).netloc, 1 / rate
        self.books = Books()
        self.window = 0
        #: From a fault's begin to its end.
        self.amid = False
        self._people = itertools.count(1000)
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            self._pool.submit(self._post, next(self._people), self.window, self.amid)
            due += self._pause

    def _post(self, person: int, window: int, amid: bool) -> None:
        begun = time.monotonic()
        body = json.dumps({"currency_char_code": "USD", "telegram_id": person})
        with closing(HTTPConnection(self._server, timeout=PATIENCE)) as client:
            try:
                client.connect()
                connected = time.monotonic()
                client.request("POST", "/api/v1/rate-requests/", body, {"Content-Type": "application/json"})
                answer = client.getresponse()
                text = answer.read()
            except (OSError, HTTPException) as error:
                self.books.refused[window, type(error).__name__] += 1
                return
        self.books.answers.append(Answer(time.monotonic() - begun, connected - begun, window, amid))
        if answer.status == 202:
            self.books.accepted.append(Accepted(json.loads(text)["id"], person, window))
        else:
            self.books.refused[window, str(answer.status)] += 1


@dataclass
class Ends:
    """What became of the requests."""

    status: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    possible_repeats: dict[str, int] = field(default_factory=dict)


def ends(ids: Collection[str]) -> Ends:
    """Read from the request log; tried again while the database comes back."""
    found = Ends()
    for part in batches(sorted(ids), 500):
        for row in read(part):
            found.status[str(row.pk)], found.code[str(row.pk)] = row.status, row.error_code
            found.possible_repeats[str(row.pk)] = row.possible_repeats
    return found


def read(ids: list[str]) -> list[RateRequest]:
    deadline = time.monotonic() + 30
    while True:
        try:
            return list(RateRequest.objects.filter(pk__in=ids))
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def batches(items: list[str], size: int) -> Iterable[list[str]]:
    return (items[begin : begin + size] for begin in range(0, len(items), size))


def wait_for_ends(ids: Collection[str], seconds: float) -> set[str]:
    """Those that have not ended within so many seconds."""
    left, deadline = set(ids), time.monotonic() + seconds
    while left:
        seen = ends(left)
        left = {one for one in left if seen.status.get(one) not in ENDED}
        if time.monotonic() > deadline:
            break
        if left:
            time.sleep(0.1)
    return left


def messages(telegram: TelegramStandin, since: int = 0) -> Counter[int]:
    """How many each person got, not counting the first ones."""
    return Counter(person for person, _ in telegram.messages[since:])
