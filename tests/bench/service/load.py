"""The clients, in a process of their own: `python -m tests.bench.service.load COMMAND JSON` prints its result."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.trace import Trace

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
POST = "/api/v1/rate-requests/"


class Client:
    """One HTTP/1.1 connection, kept as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer, once all of it is there."""
        try:
            return await self._ask(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._streams = None  # it was closed while it idled
            return await self._ask(request)

    async def _ask(self, request: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if found := LENGTH.search(head):
            await reader.readexactly(int(found[1]))
        else:
            await _skip_chunks(reader)
        if b"connection: close" in head.lower():
            writer.close()
            self._streams = None
        return int(head.split(None, 2)[1])


async def _skip_chunks(reader: asyncio.StreamReader) -> None:
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


def new(number: int) -> bytes:
    body = b'{"currency_char_code": "USD", "telegram_id": %d}' % number
    return _request("POST", POST, b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)) + body


def batch(numbers: range) -> bytes:
    body = json.dumps({"currency_char_code": "USD", "telegram_ids": list(numbers)}).encode()
    head = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return _request("POST", f"{POST}batch/", head) + body


def _request(method: str, path: str, headers: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n".encode() + headers + b"\r\n"


async def _drive(port: int, clients: int, requests: Iterator[bytes], expected: int) -> dict[str, Any]:
    """Each client asks, waits for the answer and asks again, until there are no more requests."""
    seconds: list[float] = []

    async def run() -> None:
        client = Client(port)
        for request in requests:
            begun = time.monotonic()
            status = await client.ask(request)
            if status != expected:
                raise SystemExit(f"an answer has the status {status}, not {expected}")
            seconds.append(time.monotonic() - begun)

    begun = time.monotonic()
    await asyncio.gather(*(run() for _ in range(clients)))
    return {"begun": begun, "ended": time.monotonic(), "seconds": seconds}


def post(port: int, clients: int, first: int, count: int) -> dict[str, Any]:
    return asyncio.run(_drive(port, clients, (new(number) for number in range(first, first + count)), 202))


def batches(port: int, clients: int, first: int, count: int, size: int) -> dict[str, Any]:
    requests = (batch(range(start, min(start + size, first + count))) for start in range(first, first + count, size))
    return asyncio.run(_drive(port, clients, requests, 202))


def get(port: int, clients: int, count: int, path: str) -> dict[str, Any]:
    """`{}` in the path is a number that no other request has."""
    paths = (path.replace("{}", str(number)) for number in itertools.islice(itertools.count(time.time_ns()), count))
    return asyncio.run(_drive(port, clients, (_request("GET", one) for one in paths), 200))


def idle(port: int, first: int, count: int, path: str, timeout: float) -> dict[str, Any]:
    """One request after the other; milliseconds from before the POST to the message at the Bot API."""
    return asyncio.run(_idle(port, first, count, Trace(Path(path)), timeout))


async def _idle(port: int, first: int, count: int, trace: Trace, timeout: float) -> dict[str, Any]:
    taken: list[float] = []
    client, rng = Client(port), random.Random(first)
    deadline = time.monotonic() + timeout
    for number in range(first, first + count):
        seen, begun = trace.count(), time.monotonic()
        if (status := await client.ask(new(number))) != 202:
            raise SystemExit(f"an answer has the status {status}")
        while (end := _time_of(trace, seen, number)) is None:
            if time.monotonic() > deadline:
                return {"milliseconds": taken}
            await asyncio.sleep(0.001)
        taken.append((end - begun) * 1000)
        # Out of step with whatever turns regularly in the service.
        await asyncio.sleep(rng.uniform(0.01, 0.05))
    return {"milliseconds": taken}


def _time_of(trace: Trace, seen: int, number: int) -> float | None:
    if trace.count() <= seen:
        return None
    return next((event.time for event in trace.events(seen) if event.number == number), None)


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    command.__name__: command for command in (post, batches, get, idle)
}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](**json.loads(sys.argv[2]))), flush=True)
