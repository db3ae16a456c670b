"""A worker whose stop takes long writes where each of its threads is."""

from __future__ import annotations

import subprocess
import sys

SLOW = """
import threading
from celery.signals import worker_shutting_down
from project import slow_stop

def hanging(seconds):
    threading.Event().wait(seconds)

slow_stop.AFTER = 0.1
threading.Thread(target=hanging, args=(1.0,)).start()
worker_shutting_down.send(sender="w@test", sig="SIGTERM", how="Warm", exitcode=0)
"""


def test_a_stop_that_takes_long_says_where_it_hangs() -> None:
    ended = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert "in hanging" in ended.stderr


def test_a_quick_one_says_nothing() -> None:
    quick = SLOW.replace("AFTER = 0.1", "AFTER = 15.0").replace("args=(1.0,)", "args=(0.0,)")
    ended = subprocess.run([sys.executable, "-c", quick], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert not ended.stderr
