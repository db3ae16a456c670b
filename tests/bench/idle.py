"""What a worker costs that has nothing to do, and what other workers' events cost it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .peers import OURS, RABBITMQ, REDIS, TANSU, Brokers, Peer
from .rows import Figure, Figures, Row, Scale, Target
from .stage import Stage, Worker

WORKERS = 10
EVENTS = 1000


def idle(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """A worker of five queues with a pool of two; its own CPU, not the broker's."""
    with Stage(brokers, peer, name, idle_queues=4) as stage:
        worker = stage.worker(1, "-c", "2")
        stage.warm_up()
        time.sleep(scale.of(3, 1))
        return {"cpu": percent_of_a_core([worker], scale.of(20, 3))}


def events(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """Ten idle workers with -E, first in silence, then while a thousand task events a second go to a monitor.

    Without a monitor nobody wants task events, and virtual transports don't even send them.
    """
    with Stage(brokers, peer, name) as stage:
        workers = [
            stage.worker(number, "-c", "1", "--pool", "solo", "-E") for number in range(1, scale.of(WORKERS, 2) + 1)
        ]
        # Ours has eight partitions by default: two of the workers get no tasks, and are as idle as the others.
        stage.warm_up(scale.of(8, 2), timeout=90)
        time.sleep(scale.of(5, 1))
        seconds = scale.of(15, 3)
        silence = percent_of_a_core(workers, seconds)
        monitor = stage.client("monitor", seconds=seconds + 12)
        time.sleep(4)
        sender = stage.client("events", rate=EVENTS, seconds=seconds + 4)
        time.sleep(2)
        beside = percent_of_a_core(workers, seconds)
        sent = stage.result(sender)["rate"]
        received = stage.result(monitor)["received"] / (seconds + 4)
        return {"silence": silence, "cpu": beside, "added": beside - silence, "sent": sent, "received": received}


def percent_of_a_core(workers: Sequence[Worker], seconds: float) -> float:
    """The mean of the workers over so many seconds, pools included."""
    begun, before = time.monotonic(), sum(worker.cpu() for worker in workers)
    time.sleep(seconds)
    used = sum(worker.cpu() for worker in workers) - before
    return 100 * used / (time.monotonic() - begun) / len(workers)


ROWS = (
    Row(
        "events",
        "ten idle workers with -E, 1000 events/s to a monitor: CPU of each",
        (OURS, REDIS, RABBITMQ),
        events,
        (
            Figure("silence", "without events", " % of a core", compared=False),
            Figure("cpu", "with events", " % of a core", compared=False),
            Figure("added", "added", " % of a core", compared=False),
            Figure("sent", "events/s sent", compared=False),
            Figure("received", "received by a monitor", compared=False),
        ),
        # “Next to nothing” in a figure.
        (Target("added", at_most=0.5, note="next to nothing"),),
    ),
    Row(
        "idle",
        "idle worker, five queues: CPU",
        (OURS, TANSU, REDIS, RABBITMQ),
        idle,
        (Figure("cpu", "CPU", " % of a core", compared=False),),
        (Target("cpu", at_most=1.0), Target("cpu", at_most=3.0, peer="tansu")),
    ),
)
