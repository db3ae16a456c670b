"""A clock for each part, which can be made to jump while the part runs: libfaketime, where it is installed.

A wait that is going on while the clock jumps ends as it would have: libfaketime sees its begin alone.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

WAITS = Path(__file__).with_name("waits.c")


class Missing(Exception):
    """No libfaketime; the message says what to install."""


def libraries(folder: Path) -> str:
    """The value for LD_PRELOAD; what is compiled for it goes to `folder`. Raises Missing."""
    faketime, compiler, waits = _faketime(), shutil.which("cc"), folder / "waits.so"
    if compiler is None:
        raise Missing("no C compiler: apt install gcc libc6-dev")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(waits), str(WAITS)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Missing(f"{WAITS.name} can't be compiled: {made.stderr.strip().splitlines()[0]}")
    return f"{waits} {faketime}"


def _faketime() -> Path:
    for found in sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")):
        return found
    raise Missing("no libfaketime: apt install faketime")


class Clock:
    """A wall clock, which tells the machine's time until `jump`; intervals are measured as before."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Away from the machine's time by so much; 0 is back."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.replace(self._file)

    def environment(self, preload: str) -> dict[str, str]:
        """Of the processes that are to have this clock."""
        return {
            "LD_PRELOAD": preload,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # Looked at with each question for the time: it must not jump between that and the wait that follows.
            "FAKETIME_NO_CACHE": "1",
            # A jump of the wall clock is none of the monotonic one, by which waits are measured.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
