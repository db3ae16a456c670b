"""What publishes, in a process of its own: `python -m tests.bench.client COMMAND JSON` prints its result as JSON."""

from __future__ import annotations

import contextlib
import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from . import app as bench
from .trace import Kind, Trace

work, noop, probe, trace = bench.work, bench.noop, bench.probe, bench.trace


def fill(count: int) -> None:
    """A backlog of no-op tasks."""
    for number in range(count):
        noop.delay(number)


def publish(count: int, threads: int) -> dict[str, float]:
    """Publishes a second, from threads that each have a connection already."""
    start = threading.Barrier(threads + 1)

    def send(numbers: range) -> None:
        with bench.app.amqp.producer_pool.acquire(block=True) as producer:
            noop.apply_async((0,), producer=producer)
            start.wait()
            for number in numbers:
                noop.apply_async((number,), producer=producer)

    share = count // threads
    senders = [threading.Thread(target=send, args=(range(n * share, (n + 1) * share),)) for n in range(threads)]
    for sender in senders:
        sender.start()
    start.wait()
    begun, cpu = time.monotonic(), time.process_time()
    for sender in senders:
        sender.join()
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    return {"rate": share * threads / seconds, "cpu": 1e6 * cpu / (share * threads)}


def chains(count: int, seconds: float) -> None:
    """Chains of two tasks that take `seconds` each."""
    for number in range(count):
        trace.write(Kind.PUBLISHED, number)
        (work.si(number, seconds, 0) | work.si(number, seconds, 1)).delay()


def idle_chains(count: int, path: str, timeout: float) -> dict[str, list[float]]:
    """Milliseconds from before the publish to the end of the second task, one chain after the other."""
    log = Trace(Path(path))
    taken: list[float] = []
    deadline = time.monotonic() + timeout
    rng = random.Random(count)
    for number in range(count):
        seen = log.count()
        begun = time.monotonic()
        (work.si(number, 0, 0) | work.si(number, 0, 1)).delay()
        while (end := _end_of(log, seen, number)) is None:
            if time.monotonic() > deadline:
                return {"milliseconds": taken}
            time.sleep(0.001)
        taken.append((end - begun) * 1000)
        # Out of step with whatever turns regularly in worker and broker.
        time.sleep(rng.uniform(0.005, 0.015))
    return {"milliseconds": taken}


def _end_of(log: Trace, seen: int, number: int) -> float | None:
    if log.count() < seen + 4:
        return None
    ends = (event for event in log.events(seen) if event.kind == Kind.ENDED and event.leg == 1)
    return next((event.time for event in ends if event.number == number), None)


def mix(count: int, every: int, long: float, short: float, rate: float, seed: int) -> None:
    """`rate` tasks a second; in each `every` of them one, anywhere among them, is a long one (its leg is 1)."""
    rng = random.Random(seed)
    begun = time.monotonic()
    for number in range(count):
        if number % every == 0:
            slow = number + rng.randrange(every)
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        leg = int(number == slow)
        trace.write(Kind.PUBLISHED, number, leg)
        work.delay(number, long if leg else short, leg)


def probes(path: str, workers: int, timeout: float) -> dict[str, list[int]]:
    """Publish probes until so many workers have run one; tells which have, once all probes are done."""
    log = Trace(Path(path))
    deadline = time.monotonic() + timeout
    sent, again = 0, 0.0
    while time.monotonic() < deadline:
        ran = log.of(Kind.PROBE)
        if len({event.worker for event in ran}) >= workers:
            if len(ran) >= sent:
                break
        elif time.monotonic() > again:
            # Some for each, so that none is left out by chance; not so many that a slow start piles them up.
            for _ in range(4 * workers):
                probe.delay()
                sent += 1
            again = time.monotonic() + 1.0
        time.sleep(0.1)
    return {"workers": sorted({event.worker for event in log.of(Kind.PROBE)})}


def events(rate: int, seconds: float) -> dict[str, float]:
    """Task events at an even rate, as busy workers send them with -E."""
    sent = 0
    with bench.app.connection_for_write() as connection, bench.app.events.Dispatcher(connection) as dispatcher:
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds:
            while sent < now * rate:
                dispatcher.send("task-succeeded", uuid=f"{sent:036d}", result="None", runtime=0.01, retry=False)
                sent += 1
            time.sleep(0.01)
    return {"rate": sent / (time.monotonic() - begun)}


def monitor(seconds: float) -> dict[str, int]:
    """Receive all events, as `celery events` and Flower do; tells how many task events came."""
    received = 0
    end = time.monotonic() + seconds

    def on_event(event: dict[str, Any]) -> None:
        nonlocal received
        received += event["type"] == "task-succeeded"
        receiver.should_stop = time.monotonic() > end

    with bench.app.connection_for_read() as connection:
        receiver = bench.app.events.Receiver(connection, handlers={"*": on_event})
        with contextlib.suppress(TimeoutError):
            receiver.capture(limit=None, timeout=seconds, wakeup=False)
    return {"received": received}


COMMANDS: dict[str, Any] = {
    command.__name__: command for command in (fill, publish, chains, idle_chains, mix, probes, events, monitor)
}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](**json.loads(sys.argv[2]))), flush=True)
