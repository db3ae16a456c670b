"""One bin/run a folder: a lock that ends with its process, and a note of who holds it."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from project.local import private


class Taken(Exception):
    """Another bin/run runs here; `note` is what it wrote down."""

    def __init__(self, note: dict[str, Any]) -> None:
        super().__init__(note)
        self.note = note


class Lock:
    """Held from acquire() to the end of the process (no child inherits it), however that comes."""

    def __init__(self, var: Path) -> None:
        self.file = var / "run.lock"
        self.note_file = var / "run.json"

    def acquire(self) -> str:
        """Returns the mark of an earlier run that did not end in order, "" where there is none. Raises Taken."""
        self._handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken(self._note()) from None
        return str(self._note().get("mark", ""))

    def note(self, **note: Any) -> None:
        private.write(self.note_file, json.dumps({"pid": os.getpid(), **note}))

    def clear(self) -> None:
        self.note_file.unlink(missing_ok=True)

    def _note(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.note_file.read_text()))
        except (OSError, ValueError):  # not there, or not written yet
            return {}
