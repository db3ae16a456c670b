"""Child processes that don't outlive the one that started them."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO, Any

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def spawn(argv: Sequence[str], *, at_parent_death: signal.Signals, **popen: Any) -> subprocess.Popen[Any]:
    """Start a process in a session of its own: the terminal's Ctrl-C reaches only us, and we end it in order.

    The kernel sends it `at_parent_death` when our thread ends, also by kill -9: call this from the main thread.

    `popen` may choose another session. What shares one is weighed against each other by its niceness, where the kernel
    groups by session (sched(7), autogroup).
    """
    parent = os.getpid()

    def before_exec() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(at_parent_death))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return subprocess.Popen(argv, preexec_fn=before_exec, **{"start_new_session": True, **popen})


def end(processes: Sequence[subprocess.Popen[Any]], grace: float) -> None:
    """SIGTERM to all, SIGKILL to those that are still there `grace` seconds later; all are reaped."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + grace
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class NotReady(Exception):
    """A server ended, or did not answer in time; the message is one line."""


def wait_ready(
    process: subprocess.Popen[Any], ready: Callable[[], bool], name: str, timeout: float, log: IO[Any] | str = ""
) -> None:
    """Return once `ready()`; raise NotReady when the process ends before, or after `timeout` seconds."""
    where = f", see {getattr(log, 'name', log)}" if log else ""
    deadline = time.monotonic() + timeout
    while not ready():
        if process.poll() is not None:
            raise NotReady(f"{name} ended at start (exit {process.returncode}){where}")
        if time.monotonic() > deadline:
            raise NotReady(f"{name} did not answer within {timeout:.0f} s{where}")
        time.sleep(0.02)
