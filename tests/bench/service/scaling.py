"""More workers and more partitions, where the Bot API takes its time; and a very long backlog."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

from tests.bench.progress import tell
from tests.bench.rows import Figure, Figures, Row, Scale, Target

from .servers import Servers
from .sides import OURS, OURS_POSTGRES, Side
from .stand import CLIENTS, Stand

#: How long the Bot API takes for an answer: about what Telegram's takes.
ANSWER_SECONDS = 0.05
#: Workers of each queue, of one process each, and partitions.
SCALES = {"1": (1, 8), "2": (2, 8), "4": (4, 8), "4-2": (4, 2), "4-1": (4, 1)}
STEPS = 20
BATCH = 100


def workers(servers: Servers, side: Side, scale: Scale) -> Figures:
    rates = {}
    for name, (count, partitions) in SCALES.items():
        options = {**side.options, "partitions": partitions}
        scaled = replace(side, options=options, workers=count, environment={"WORKER_CONCURRENCY": "1"})
        requests = scale.of(250 * min(count, partitions), 40)
        with Stand(servers, scaled, requests, BENCH_ANSWER_SECONDS=str(ANSWER_SECONDS)) as stand:
            rates[name] = stand.flow.message_rate
            tell(f"  {count} workers, {partitions} partitions: {rates[name]:.1f} messages/s")
    efficiency = {f"e{count}": 100 * rates[str(count)] / rates["1"] / count for count in (2, 4)}
    return {**rates, **efficiency}


def million(servers: Servers, side: Side, scale: Scale) -> Figures:
    """All are accepted as fast as that goes, by the batch, while the workers are at work; then the rest is drained."""
    count = scale.of(scale.tasks, 2000)
    with Stand(servers, side, count, MAX_BACKLOG=str(10 * count)) as stand:
        base, begun = stand.trace.count(), time.monotonic()
        clients = stand.start_client(
            "batches", port=stand.port, clients=CLIENTS, first=stand.numbers(count), count=count, size=BATCH
        )
        memory, times = [], []
        for step in range(1, STEPS + 1):
            goal = base + count * step // STEPS
            stand.until(lambda goal=goal: stand.trace.count() >= goal, 4 * 3600, "messages are missing", stuck=120)
            times.append(next(stand.trace.events(goal - 1)).time)
            memory.append(stand.memory())
            tell(f"  {count * step // STEPS} messages, {memory[-1]:.0f} MB")
        accepted = stand.result(clients, 60)
        extra = stand.trace.count() - base - count
        if extra > 0:
            tell(f"  {extra} messages were repeated")
        rates = [count / STEPS / (after - before) for before, after in itertools.pairwise([begun, *times])]
        drained = [rate for rate, time_ in zip(rates, times, strict=True) if time_ > accepted["ended"]] or rates[-1:]
        return {
            "accepted": count / (accepted["ended"] - accepted["begun"]),
            "drained": count / (times[-1] - begun),
            "rate-ratio": sum(drained[-3:]) / len(drained[-3:]) / (sum(drained[:3]) / len(drained[:3])),
            "memory-start": memory[0],
            "memory-end": memory[-1],
            "memory-spread": max(memory[1:]) - min(memory[1:]),
        }


ROWS = (
    Row(
        "workers",
        f"messages/s by workers of each queue (one process each), the Bot API takes {1000 * ANSWER_SECONDS:.0f} ms",
        (OURS,),
        workers,
        (
            *(
                Figure(name, f"{count} of {parts} partitions", compared=False)
                for name, (count, parts) in SCALES.items()
            ),
            Figure("e2", "efficiency of 2", " %", compared=False),
            Figure("e4", "efficiency of 4", " %", compared=False),
        ),
        (),
    ),
    Row(
        "million",
        "a backlog of a million requests",
        (OURS_POSTGRES,),
        million,
        (
            Figure("accepted", "accepted/s", compared=False),
            Figure("drained", "messages/s", compared=False),
            Figure("rate-ratio", "draining: end by begin", compared=False),
            Figure("memory-start", "memory of all parts at 5 %", " MB", compared=False),
            Figure("memory-end", "at the end", " MB", compared=False),
            Figure("memory-spread", "between the least and the most", " MB", compared=False),
        ),
        (
            Target("rate-ratio", at_least=0.95, peer="postgres", note="the same rate"),
            Target("memory-spread", at_most=60.0, peer="postgres", note="flat"),
        ),
        slow=True,
        rounds=1,
    ),
)
