"""A clock for each part, which can be made to jump while the part runs: libfaketime, where it is installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

#: See the module in it.
PYTHON_PATCH = Path(__file__).parent / "faketime"
#: A process sees a jump so many seconds later at most.
SEEN_AFTER = 1


class Missing(Exception):
    """No libfaketime; the message says what to install."""


def library() -> Path:
    """Raises Missing."""
    folders = [Path("/usr/lib/x86_64-linux-gnu/faketime"), *Path("/usr/lib").glob("*/faketime")]
    if program := shutil.which("faketime"):
        folders.append(Path(program).resolve().parents[1] / "lib" / "faketime")
    for folder in folders:
        if (found := folder / "libfaketimeMT.so.1").is_file():
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

    def environment(self, preload: Path) -> dict[str, str]:
        """Of the processes that are to have this clock."""
        return {
            "LD_PRELOAD": str(preload),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PYTHON_PATCH), os.environ.get("PYTHONPATH")))),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(SEEN_AFTER),
            # A jump of the wall clock is none of the monotonic one, by which waits are measured.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
