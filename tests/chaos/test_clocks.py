"""A process whose wall clock has jumped waits as long as it says, by whichever clock it measures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.clocks import Clock, Missing, libraries

#: Waits by a condition of each clock, as Python itself does for the interpreter's lock and librdkafka for its queues;
#: prints how many seconds were missing.
WAITS = """
import ctypes, time

libc, SECONDS = ctypes.CDLL(None), 0.2

class Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]

for clock in time.CLOCK_REALTIME, time.CLOCK_MONOTONIC:
    attributes, condition, mutex = (ctypes.create_string_buffer(64) for _ in range(3))
    libc.pthread_condattr_init(attributes)
    libc.pthread_condattr_setclock(attributes, clock)
    libc.pthread_cond_init(condition, attributes)
    libc.pthread_mutex_init(mutex, None)
    libc.pthread_mutex_lock(mutex)
    end = time.clock_gettime_ns(clock) + int(SECONDS * 1e9)
    begun = time.monotonic()
    libc.pthread_cond_timedwait(condition, mutex, ctypes.byref(Time(end // 10**9, end % 10**9)))
    print(round(max(0.0, SECONDS - (time.monotonic() - begun)), 2))
"""


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> str:
    try:
        return libraries(tmp_path_factory.mktemp("clocks"))
    except Missing as reason:
        if os.environ.get("REQUIRE_ALL"):
            raise
        pytest.skip(str(reason))


@pytest.mark.parametrize("jump", [0, 7200, -7200])
def test_a_wait_lasts_as_long_as_it_says(preload: str, tmp_path: Path, jump: int) -> None:
    clock = Clock(tmp_path / "clock")
    clock.jump(jump)
    environment = {**os.environ, **clock.environment(preload)}
    waited = subprocess.run(
        [sys.executable, "-c", WAITS], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert waited.stdout.split() == ["0.0", "0.0"]
