"""Put into PYTHONPATH of the processes that run under libfaketime, whose clock_nanosleep (0.9.10) takes the monotonic
time until which Python sleeps for wall time, and fails: here time.sleep waits as select does."""

import select
import time
from typing import SupportsIndex


def sleep(seconds: float | SupportsIndex, /) -> None:
    if float(seconds) < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], float(seconds))


time.sleep = sleep
