"""Processes of an earlier bin/run that was killed: known by a mark in their environment, never by their name."""

import os
import signal
import time
from pathlib import Path

MARK = "BIN_RUN_MARK"


def find(mark: str) -> list[int]:
    """Ids of our user's processes that were started with this mark, at any depth."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _ours() if wanted in _environment(pid)]


def end(mark: str, grace: float) -> int:
    """SIGTERM to all at once, after `grace` seconds SIGKILL; returns how many there were when none is left."""
    found = find(mark)
    for pid in found:
        _send(pid, mark, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left := find(mark):
        if time.monotonic() > deadline:
            for pid in left:
                _send(pid, mark, signal.SIGKILL)
        time.sleep(0.05)
    return len(found)


def kill(mark: str) -> None:
    """SIGKILL to all at once."""
    for pid in find(mark):
        _send(pid, mark, signal.SIGKILL)


def _ours() -> list[int]:
    """All processes of our user but this one."""
    ours = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if entry.stat().st_uid == os.geteuid():
                    ours.append(int(entry.name))
            except FileNotFoundError:
                continue  # it has just ended
    return ours


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended, or not to be looked at
        return []


def _send(pid: int, mark: str, signum: signal.Signals) -> None:
    """The descriptor holds on to the process, so the number can't be another's between the look and the signal."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if f"{MARK}={mark}".encode() in _environment(pid):
            signal.pidfd_send_signal(handle, signum)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
