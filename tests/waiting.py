"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from pathlib import Path

#: Bounds are meant for a quiet machine. A busy one, as with lots of tests side by side, is this much slower.
PATIENCE = 3


def eventually(check: Callable[[], bool], timeout: float, every: float = 0.05) -> None:
    """Returns as soon as `check` holds; an AssertionError says that it didn't within `timeout` seconds."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout:g} s"
        time.sleep(every)


def stopped(pid: int) -> bool:
    """Whether all of its threads are: each only stops when it looks for signals, the others work until then."""
    return all("\nState:\tT" in status.read_text() for status in Path(f"/proc/{pid}/task").glob("*/status"))
