"""Kafka's nodes, each on a host and a small disk of its own where the machine has them to give."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from project.local.kafka_cluster import KafkaCluster
from tests.chaos.network import Host, remove, small_disk

#: Of one node's disk, in megabytes; a run of an hour needs less than half of it.
DISK = 512
#: For an ordered stop, in seconds.
STOP = 30
BLOCKS = (1 << 20, 4096, 1)


class Kafka(KafkaCluster):
    def __init__(self, folder: Path, hosts: Sequence[Host], small_disks: bool) -> None:
        super().__init__(folder, len(hosts), hosts=[host.address for host in hosts])
        self._where = hosts
        self._disks = [self._home(node) for node in range(len(hosts))] if small_disks else []
        for disk in self._disks:
            small_disk(disk, DISK)

    def stop(self) -> None:
        super().stop()
        for disk in self._disks:
            remove(disk)
        self._disks.clear()

    def _spawn(self, node: int) -> None:
        with self._where[node].inside():
            super()._spawn(node)

    def send(self, node: int, signum: signal.Signals) -> None:
        self.processes[node].send_signal(signum)

    def stop_node(self, node: int) -> None:
        """In order; restart(node) starts it again."""
        self.processes[node].terminate()
        self.processes[node].wait(STOP)

    def fill(self, node: int) -> None:
        """Leaves nothing of its disk."""
        with self._ballast(node).open("wb", buffering=0) as ballast:
            for size in BLOCKS:
                with suppress(OSError):  # no space is left for one more of this size
                    while True:
                        ballast.write(bytes(size))

    def free(self, node: int) -> None:
        """Space again, and a start where it has ended for want of it, as its supervisor would do."""
        self._ballast(node).unlink()
        if self.processes[node].poll() is not None:
            self.restart(node)

    def _ballast(self, node: int) -> Path:
        return self._home(node) / "ballast"
