"""Work for a broker before its first figure: a JVM is slow until it has compiled what is called often."""

from __future__ import annotations

from . import latency, throughput
from .peers import Brokers, Peer
from .progress import tell
from .rows import Scale

#: Each of 4000 tasks and 300 chains.
TIMES = 5


def warm_up(brokers: Brokers, peer: Peer, scale: Scale) -> None:
    """Raises Unfinished."""
    for number in range(1, TIMES + 1):
        tell(f"warming up {peer.broker}, {number}/{TIMES}")
        throughput.drain("prefork")(brokers, peer, f"warm-up-{peer.name}-{number}", scale)
        latency.measure(brokers, peer, f"warm-up-{peer.name}-{number}-chain", scale)
