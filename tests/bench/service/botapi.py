"""A Bot API that costs next to nothing: `python -m tests.bench.service.botapi` prints its port.

Each message is a line of the trace (BENCH_TRACE) under the number of its chat. It answers BENCH_ANSWER_SECONDS later.
"""

from __future__ import annotations

import asyncio
import os
import re

from tests.bench.trace import Kind, Writer

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CHAT = re.compile(rb'chat_id(?:=|": ?)(\d+)')
RESULTS = {
    b"getMe": '{"id": 123456, "is_bot": true, "first_name": "Rates", "username": "rates_bot"}',
    b"sendMessage": '{"message_id": 1, "date": 1760000000, "chat": {"id": 1, "type": "private"}, "text": "sent"}',
}


def answer(method: bytes) -> bytes:
    body = f'{{"ok": true, "result": {RESULTS[method]}}}'.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


ANSWERS = {method: answer(method) for method in RESULTS}


class Connection(asyncio.Protocol):
    def __init__(self, trace: Writer, seconds: float) -> None:
        self._trace, self._seconds, self._buffer = trace, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := LENGTH.search(head)) else 0
        if not end or len(body) < length:
            return
        self._buffer = b""  # nobody asks before the answer is there
        method = head.split(None, 2)[1].rpartition(b"/")[2]
        if chat := CHAT.search(body):
            self._trace.write(Kind.ENDED, int(chat[1]))
        asyncio.get_running_loop().call_later(self._seconds, self._transport.write, ANSWERS[method])


async def main() -> None:
    trace = Writer(os.environ["BENCH_TRACE"], 0)
    seconds = float(os.environ.get("BENCH_ANSWER_SECONDS", "0"))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(trace, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
