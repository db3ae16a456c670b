"""Real Apache Kafka on this machine: one or several KRaft nodes, each broker and controller."""

import base64
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from project.local import children, kafka_libs, ports

#: The JVM's options for a node that is needed at once and not for long: less memory, and no second, slower compiler.
QUICK = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
#: Those of Apache's own kafka-server-start.sh.
AS_SHIPPED = (
    *("-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"),
)
READY_SECONDS = 90
STOP_SECONDS = 10


class KafkaCluster:
    """`nodes` Kafka processes with their data and logs in `folder`; a folder used before keeps its topics.

    `settings` are added to every node's server.properties. Topics are not created by use, all else is as Kafka
    has it by default (but for the replication of its own topics, which one node can't give). `hosts` are the nodes'
    addresses, all of them loopback unless said otherwise. `jvm` are options of Java's.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        first_port: int | None = None,
        settings: Mapping[str, str] | None = None,
        hosts: Sequence[str] | None = None,
        jvm: Sequence[str] = QUICK,
    ) -> None:
        self.folder = folder.resolve()
        self.ports = [first_port + n if first_port else ports.free_port() for n in range(nodes)]
        self.controllers = [ports.free_port() for _ in range(nodes)]
        self.settings = dict(settings or {})
        self.hosts = list(hosts or ["127.0.0.1"] * nodes)
        self.jvm = tuple(jvm)
        self.processes: dict[int, subprocess.Popen[Any]] = {}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in zip(self.hosts, self.ports, strict=True))

    def start(self) -> None:
        """Return when every node answers; raises kafka_libs.Missing, children.NotReady."""
        self._java = kafka_libs.java()
        self._libraries = kafka_libs.libraries()
        try:
            self._format()
            for node in range(len(self.ports)):
                self._spawn(node)
            for node in range(len(self.ports)):
                self._wait(node)
        except BaseException:  # also Ctrl-C: no node may be left behind
            self.stop()
            raise

    def kill(self, node: int) -> None:
        """kill -9 of one node (counted from 0)."""
        self.processes[node].kill()
        self.processes[node].wait()

    def restart(self, node: int) -> None:
        """Start a node that was killed, on its old data and port."""
        self._spawn(node)
        self._wait(node)

    def stop(self) -> None:
        """Ends all nodes in order, or by force after STOP_SECONDS (the last ones find no quorum to say goodbye to)."""
        children.end(list(self.processes.values()), STOP_SECONDS)

    def _home(self, node: int) -> Path:
        return self.folder / f"node-{node + 1}"

    def _java_command(self, node: int, *command: str) -> list[str]:
        log4j = kafka_libs.DEPLOY / "log4j2.properties"
        return [
            self._java,
            *self.jvm,
            f"-Dlog4j2.configurationFile={log4j}",
            f"-Dkafka.log={self._home(node) / 'kafka.log'}",
            "-cp",
            f"{self._libraries}/*",
            *command,
        ]

    def _format(self) -> None:
        cluster_id = self.folder / "cluster.id"
        if not cluster_id.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            cluster_id.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        formats = []
        for node in range(len(self.ports)):
            properties = self._write_properties(node)
            command = ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
            command += [f"--cluster-id={cluster_id.read_text()}", "-c", str(properties)]  # an id may begin with "-"
            formats.append(self._run(node, command))
        for process in formats:
            if process.wait(READY_SECONDS):
                raise children.NotReady(f"Kafka could not format its data in {self.folder}")

    def _write_properties(self, node: int) -> Path:
        home = self._home(node)
        home.mkdir(exist_ok=True)
        properties = home / "server.properties"
        lines = {**self._properties(node), **self.settings}
        properties.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return properties

    def _properties(self, node: int) -> dict[str, str]:
        copies = min(3, len(self.ports))
        addresses = zip(self.hosts, self.controllers, strict=True)
        voters = ",".join(f"{n}@{host}:{port}" for n, (host, port) in enumerate(addresses, 1))
        listeners = f"PLAINTEXT://{self.hosts[node]}:{self.ports[node]}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(node + 1),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://{self.hosts[node]}:{self.controllers[node]}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._home(node) / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(max(1, copies - 1)),
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(max(1, copies - 1)),
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": str(max(1, copies - 1)),
        }

    def _spawn(self, node: int) -> None:
        self.processes[node] = self._run(node, ["kafka.Kafka", str(self._home(node) / "server.properties")])

    def _run(self, node: int, command: list[str]) -> subprocess.Popen[Any]:
        with (self._home(node) / "console.log").open("ab") as output:
            return children.spawn(
                self._java_command(node, *command),
                at_parent_death=signal.SIGKILL,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _wait(self, node: int) -> None:
        # A node opens its clients' port as the last step of its start.
        children.wait_ready(
            self.processes[node],
            lambda: ports.answers(self.hosts[node], self.ports[node]),
            f"Kafka node {node + 1}",
            READY_SECONDS,
            log=str(self._home(node) / "kafka.log"),
        )
