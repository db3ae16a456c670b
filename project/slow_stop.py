"""A worker whose stop takes long says where it hangs: whoever started it will soon kill it, and then it is too late.

A thread of Python's reads the other threads' frames: faulthandler's reads them without the interpreter's lock, and
crashes now and then where they run meanwhile.
"""

from __future__ import annotations

import sys
import threading
import traceback

from celery import signals

#: In seconds: less than the 20 after which `bin/run` kills.
AFTER = 15.0


@signals.worker_shutting_down.connect(dispatch_uid="project.slow_stop.watch")
def watch(**_: object) -> None:
    timer = threading.Timer(AFTER, say_where)
    timer.name, timer.daemon = "slow-stop", True
    timer.start()


def say_where() -> None:
    """Write the stack of each thread but this one."""
    if sys.__stderr__ is None:  # not sys.stderr: that is Celery's, and no file
        return
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = [f"this worker stops for {AFTER:g} s already; its threads are here:"]
    for number, frame in sys._current_frames().items():
        if number != threading.get_ident():
            lines += [f"thread {names.get(number, number)}:", "".join(traceback.format_stack(frame)).rstrip()]
    print("\n".join(lines), file=sys.__stderr__, flush=True)
