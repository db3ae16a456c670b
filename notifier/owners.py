"""Who holds a claim: a process, told apart from every other one, also from a later one with its number.

A lease says how long a claim may last; where its holder ran on this machine it can be seen at once that it died.
"""

import functools
import os
from pathlib import Path

# A zombie has died, its parent only hasn't heard of it.
GONE = {"Z", "X", "x"}


def me() -> str:
    """This process: the machine's boot and PID namespace, the process' id and its start."""
    return _name(os.getpid())


@functools.cache
def _name(pid: int) -> str:
    state = _state_and_start(pid)
    return f"{_machine()}.{pid}.{state[1] if state else '?'}"


def is_dead(owner: str) -> bool:
    """Whether a process of this machine is known to have ended; False for what can't be known."""
    machine, _, process = owner.partition(".")
    pid, _, start = process.partition(".")
    if not machine or machine != _machine() or not pid.isdecimal() or start in ("", "?"):
        return False
    state = _state_and_start(int(pid))
    if state is None:
        return not _exists(int(pid))
    return state[1] != start or state[0] in GONE


def _exists(pid: int) -> bool:
    """Also where /proc doesn't show it to us."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _machine() -> str:
    """Containers count their processes apart, so each has a name of its own. "" where none can be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""


def _state_and_start(pid: int) -> tuple[str, str] | None:
    """The third and the twenty-second field of /proc/PID/stat (man 5 proc); the second one may have any characters."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19]
