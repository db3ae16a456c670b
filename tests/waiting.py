"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def eventually(check: Callable[[], bool], timeout: float, every: float = 0.05) -> None:
    """Returns as soon as `check` holds; an AssertionError says that it didn't within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout:g} s"
        time.sleep(every)
