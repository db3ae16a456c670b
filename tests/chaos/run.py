"""One run: fault after fault while requests flow, then the table."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from project.local.children import NotReady
from project.local.kafka_libs import VERSION
from project.local.supervisor import STOP_SECONDS
from tests.chaos import report
from tests.chaos.faults import Fault, catalogue, chosen
from tests.chaos.flow import Answer, Flow, ends, messages, wait_for_ends
from tests.chaos.report import Window
from tests.chaos.service import Service

#: Recovery after a fault has ended, in seconds: what is aimed at, and when a request counts as stuck.
GOAL, STUCK = 15.0, 90.0
#: A POST's answer while Kafka is away, in seconds (p99).
ANSWER = 0.3
#: Before each fault, in seconds.
CALM = 2.0
#: The short form begins its faults within so many seconds.
SHORT_SECONDS = 85.0
#: The windows in which nothing but Kafka was away.
KAFKA_AWAY = re.compile(r"Kafka[^+]*")
#: More faults than any run comes to.
MANY = 2000


def rage(service: Service, args: argparse.Namespace) -> int:
    """The exit code."""
    faults = [fault for fault in catalogue(service) if args.only in fault.name]
    plan = faults if args.only else chosen(faults, args.seed, MANY)
    until = time.monotonic() + (SHORT_SECONDS if args.short else args.minutes * 60)
    flow = Flow(service.url, args.rate)
    while not flow.books.accepted:
        time.sleep(0.1)
    # The workers have joined their groups once the first request has ended.
    wait_for_ends(flow.books.ids()[:1], STUCK)
    windows: list[Window] = []
    for fault in plan:
        if time.monotonic() > until:
            break
        flow.window = len(windows)
        windows.append(Window(fault.name, strike(fault, flow)))
        slowest = slowest_of([answer for answer in flow.books.answers if answer.window == flow.window])
        # The time is for finding it in the parts' logs.
        line = f"{datetime.now(UTC):%H:%M:%S} {fault.name}: {windows[-1].cells()[-1]}, {slowest}"
        print(line, file=sys.stderr, flush=True)
    flow.stop()
    wait_for_ends(flow.books.ids(), STUCK)
    report.count(windows, flow.books, ends(flow.books.ids()), messages(service.telegram))
    stops = service.parts.stop()
    tell(service, args, windows, flow.books.answers, stops)
    in_order = all(took < STOP_SECONDS for took in [*stops.values(), *restarts(service).values()])
    return 0 if in_order and not any(window.broken for window in windows) else 1


def strike(fault: Fault, flow: Flow) -> float | None:
    """How long after the fault's end all that was accepted until then had ended; None where that never came."""
    time.sleep(CALM)
    flow.amid = True
    fault.begin()
    time.sleep(fault.seconds)
    try:
        fault.end()
    except NotReady as error:  # a server that doesn't start again: by itself it never recovers
        print(f"{fault.name}: {error}", file=sys.stderr)
        return None
    finally:
        flow.amid = False
    over = time.monotonic()
    left = wait_for_ends(flow.books.ids(), STUCK)
    return None if left else time.monotonic() - over


def tell(
    service: Service,
    args: argparse.Namespace,
    windows: Sequence[Window],
    answers: Sequence[Answer],
    stops: Mapping[str, float],
) -> None:
    lines = [
        f"seed {args.seed}, {args.rate:g} requests/s, Apache Kafka {VERSION} ({args.nodes}), "
        + ("PostgreSQL" if service.postgres else "SQLite"),
        f"POST: {percentiles(answers)}",
        *while_kafka_was_away(windows, answers),
        f"SIGTERM to all at once: {times(stops)}",
        *([f"SIGTERM to one, the longest: {times(ended)}"] if (ended := restarts(service)) else []),
        *service.notes,
    ]
    if slow := [window.fault for window in windows if (window.recovery or 0) > GOAL]:
        lines.append(f"slower than the {GOAL:g} s that are aimed at: {'; '.join(slow)}")
    broken = [window.fault for window in windows if window.broken]
    lines.append(f"BROKEN: {'; '.join(broken)}" if broken else "every promise was kept")
    rows = [*windows, *not_run(service), total(windows)]
    print(report.table(rows))
    print("\n".join(lines))
    if args.write:
        command = shlex.join(["bin/chaos", *sys.argv[1:]])
        listed = "\n".join(f"- {line}" for line in lines)
        args.write.write_text(f"`{command}`\n\n{report.markdown(rows)}\n\n{listed}\n")


def total(windows: Sequence[Window]) -> Window:
    """The slowest recovery, and the sums."""
    recoveries = [window.recovery for window in windows if window.recovery is not None]
    whole = Window("all", max(recoveries) if len(recoveries) == len(windows) and windows else None)
    for window in windows:
        whole = replace(
            whole,
            requests=whole.requests + window.requests,
            lost=whole.lost + window.lost,
            failed=whole.failed + window.failed,
            repeated=whole.repeated + window.repeated,
            uncounted=whole.uncounted + window.uncounted,
            stuck=whole.stuck + window.stuck,
            refused=whole.refused + window.refused,
        )
    return whole


def restarts(service: Service) -> dict[str, float]:
    """How many seconds the parts that were restarted took to end, at the most."""
    return {name: part.longest_stop for name, part in service.parts.all.items() if part.longest_stop}


def times(took: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())


def not_run(service: Service) -> list[Window]:
    """What this machine can't do, so that nobody takes it for passed."""
    return [Window(what, None, not_run=reason) for what, reason in service.not_run.items()]


def while_kafka_was_away(windows: Sequence[Window], answers: Sequence[Answer]) -> list[str]:
    kafka = {number for number, window in enumerate(windows) if KAFKA_AWAY.fullmatch(window.fault)}
    away = [answer for answer in answers if answer.window in kafka and answer.amid]
    after = [answer for answer in answers if answer.window in kafka and not answer.amid]
    lines = []
    if away:
        lines.append(f"POST while Kafka was away: {percentiles(away)}; {ANSWER * 1000:.0f} ms are aimed at")
    if after:
        lines.append(f"POST shortly before and after: {percentiles(after)}")
    return lines


def percentiles(answers: Sequence[Answer]) -> str:
    ordered = sorted(answer.seconds for answer in answers)
    p50, p99 = (ordered[len(ordered) * part // 100] * 1000 for part in (50, 99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(ordered)}, {slowest_of(answers)}"


def slowest_of(answers: Sequence[Answer]) -> str:
    """Whoever waits to be connected waits for the server's queue or for a lost packet, not for its work."""
    if not answers:
        return "no answer"
    slowest = max(answers, key=lambda answer: answer.seconds)
    return f"the slowest {slowest.seconds:.2f} s, connected after {slowest.connected:.2f} s"
