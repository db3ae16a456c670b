"""Work for a broker before its first figure: a JVM is slow until it has compiled what is called often."""

from __future__ import annotations

from . import latency, throughput
from .peers import Brokers, Peer
from .progress import tell
from .rows import Scale
from .stage import Stage

CHAINS = 2500


def warm_up(brokers: Brokers, peer: Peer, scale: Scale) -> None:
    """Twice 4000 tasks, and between them CHAINS chains one after the other. Raises Unfinished."""
    tell(f"warming up {peer.broker}, about a minute")
    throughput.drain("prefork")(brokers, peer, f"warm-up-1-{peer.name}", scale)
    with Stage(brokers, peer, f"warm-up-2-{peer.name}") as stage:
        latency.chain(stage, CHAINS, timeout=180)
    throughput.drain("prefork")(brokers, peer, f"warm-up-3-{peer.name}", scale)
