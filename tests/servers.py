"""Real servers for tests, each on a free port of loopback: start_…() returns one that answers; call its stop()."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from project.local import children, embedded, ports
from project.local.kafka_cluster import QUICK, KafkaCluster


class Server:
    """One child process that listens on `port`; it dies with the test run at the latest."""

    def __init__(self, command: Sequence[str], port: int, folder: Path, host: str = "127.0.0.1") -> None:
        self.command, self.port, self.folder, self.host = command, port, folder, host
        self.start()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Also after kill() or stop(): on the same port."""
        with (self.folder / "server.log").open("ab") as log:
            self.process: subprocess.Popen[Any] = children.spawn(
                self.command, at_parent_death=signal.SIGKILL, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        children.wait_ready(
            self.process,
            lambda: ports.answers(self.host, self.port),
            self.command[0],
            timeout=10,
            log=str(self.folder / "server.log"),
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        children.end([self.process], grace=5)


def start_redis(host: str = "127.0.0.1", password: str = "") -> Server:
    """`address` is host:port; it keeps nothing on disk. Off loopback Redis wants a password."""
    port, folder = ports.free_port(), folder_for("redis")
    return Server(embedded.redis_command(port, folder, password, host), port, folder, host)


def start_tansu() -> Server:
    """The embedded Kafka broker; `address` is its bootstrap server. It forgets everything when it ends."""
    port = ports.free_port()
    return Server(embedded.broker_command(port), port, folder_for("tansu"))


def start_kafka(nodes: int = 1, settings: dict[str, str] | None = None, jvm: Sequence[str] = QUICK) -> KafkaCluster:
    """Real Apache Kafka, `bootstrap` are its servers; raises kafka_libs.Missing without Java or Maven."""
    cluster = KafkaCluster(folder_for("kafka"), nodes, settings=settings, jvm=jvm)
    try:
        cluster.start()
    except children.NotReady as reason:  # its log goes with the run
        logs = [*cluster.folder.glob("node-*/console.log"), *cluster.folder.glob("node-*/kafka.log")]
        reason.add_note("\n".join(log.read_text()[-3000:] for log in logs))
        raise
    return cluster


def folder_for(name: str) -> Path:
    """Removed at the end of the run, unless KEEP_SERVER_LOGS is set to read a failed test's logs."""
    folder = Path(tempfile.mkdtemp(prefix=f"test-{name}-"))
    if not os.environ.get("KEEP_SERVER_LOGS"):
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
