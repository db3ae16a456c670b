"""Capacity, load, samples, table."""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
import time

import psutil
import requests as http

from notifier.models import RateRequest
from project.local.kafka_libs import VERSION
from tests.chaos import report
from tests.chaos.flow import ENDED, Flow, ends, messages, wait_for_ends
from tests.chaos.report import Window
from tests.chaos.service import Service
from tests.soak.samples import HEADINGS, Process, Watch

#: The capacity is measured so long, in seconds, after a while in which code is loaded and the JVM warms up.
WARM_UP, MEASURED = 15.0, 30.0
#: So many requests are on their way meanwhile.
ON_THEIR_WAY, ASKING = 200, 8
#: Between two looks at the processes, in seconds.
EVERY = 5.0
#: What was asked for last has so many seconds to end.
LAST = 60.0


def soak(service: Service, args: argparse.Namespace) -> int:
    """The exit code."""
    capacity = None if args.rate else measured_capacity(service)
    rate = args.rate or capacity * args.share
    print(f"{told(capacity, rate)}, for {args.minutes:g} minutes", file=sys.stderr, flush=True)
    before = len(service.telegram.messages)
    flow, watch = Flow(service.url, rate), Watch(service.parts.all.values())
    until = time.monotonic() + args.minutes * 60
    while time.monotonic() < until:
        watch.look()
        time.sleep(EVERY)
    flow.stop()
    wait_for_ends(flow.books.ids(), LAST)
    window = Window("", 0.0)
    report.count([window], flow.books, ends(flow.books.ids()), messages(service.telegram, before))
    rows = watch.processes()
    wrong = [f"{row.name}: {', '.join(row.growth())}" for row in rows if row.growth()]
    if window.broken or window.repeated or window.refused:
        wrong.append("requests: see above")
    lines = [
        f"{told(capacity, rate)}, for {args.minutes:g} minutes; Apache Kafka {VERSION} (1), "
        + ("PostgreSQL" if service.postgres else "SQLite"),
        f"{window.requests} requests accepted, {window.lost} lost, {report.told(window.failed)} failed, "
        f"{window.repeated} repeated, {window.stuck} left behind, {report.told(window.refused)} refused",
        *service.notes,
        f"NOT FLAT: {'; '.join(wrong)}" if wrong else "flat",
    ]
    tell(rows, lines, args)
    return 1 if wrong else 0


def told(capacity: float | None, rate: float) -> str:
    return f"{rate:.1f} requests/s" + (f" of {capacity:.1f} that it is able to do" if capacity else "")


def measured_capacity(service: Service) -> float:
    """Requests that end in a second while there are always some to do."""
    stopping, people = threading.Event(), iter(range(10_000_000, 100_000_000))
    room, url = threading.Semaphore(ON_THEIR_WAY), f"{service.url}/api/v1/rate-requests/"

    def ask() -> None:
        while not stopping.is_set():
            if room.acquire(timeout=0.1):
                asked = http.post(url, json={"currency_char_code": "USD", "telegram_id": next(people)}, timeout=20)
                asked.raise_for_status()

    threads = [threading.Thread(target=ask) for _ in range(ASKING)]
    for thread in threads:
        thread.start()
    begun, seen, count_at_begin, begin = time.monotonic(), 0, 0, 0.0
    while (now := time.monotonic()) < begun + WARM_UP + MEASURED:
        delivered = len(service.telegram.state.messages)
        if delivered > seen:
            room.release(delivered - seen)
        seen = delivered
        if not begin and now > begun + WARM_UP:
            count_at_begin, begin = delivered, now
        time.sleep(0.05)
    stopping.set()
    capacity = (seen - count_at_begin) / (time.monotonic() - begin)
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + LAST
    while RateRequest.objects.exclude(status__in=ENDED).exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    return capacity


def tell(rows: list[Process], lines: list[str], args: argparse.Namespace) -> None:
    cells = [list(HEADINGS), *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\n".join(lines))
    if args.write:
        table = [cells[0], ["---"] * len(HEADINGS), *cells[1:]]
        marked = "\n".join(f"| {' | '.join(row)} |" for row in table)
        machine = f"{psutil.cpu_count()} cores"
        command = shlex.join(["bin/soak", *sys.argv[1:]])
        listed = "\n".join(f"- {line}" for line in [*lines, machine])
        args.write.write_text(f"`{command}`\n\n{marked}\n\n{listed}\n")
