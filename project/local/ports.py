"""TCP ports of this machine: which are free, which answer."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below the kernel's ephemeral range (32768 …), so that no outgoing connection takes the port before its server does.
SERVER_PORTS = range(20000, 32000)

# Not the shared generator: what seeds that, as tests do, would get the same ports again and again.
_random = random.SystemRandom()
# Files that are open until this process ends, and with them the locks on them.
_kept: list[int] = []


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could bind the port now (as servers do: in spite of connections in TIME_WAIT)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on, this process's until it ends: nobody else gets it here while its server is yet
    to start, or between two runs. Raises RuntimeError where there is none.
    """
    for port in _random.sample(SERVER_PORTS, 200):
        if _keep(port):
            if is_free(port):
                return port
            os.close(_kept.pop())
    raise RuntimeError(f"none of 200 ports tried between {SERVER_PORTS.start} and {SERVER_PORTS.stop} is free")


def _keep(port: int) -> bool:
    """Whether no other caller has it; of one user's processes only, as another user's files aren't ours to lock."""
    folder = Path(tempfile.gettempdir(), f"ports-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _kept.append(file)
    return True


def first_free(wanted: int, host: str = "127.0.0.1", tries: int = 20) -> int:
    """The wanted port or one of its next neighbours, else any free one."""
    last = min(wanted + tries, 65536)
    return next((port for port in range(wanted, last) if is_free(port, host)), None) or free_port()


def answers(host: str, port: int, timeout: float = 1.0) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError:
        return False
    return True
