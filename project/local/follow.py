"""What happens while bin/run runs, told on its terminal: parts that die, messages of the console backend."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from project.local.supervisor import MESSAGES, Supervisor
from project.local.terminal import say

PAUSE_SECONDS = 0.2
#: Of a part that would end so again, see supervisor.py.
REFUSED = f"exit status {os.EX_CONFIG}"


class Follower:
    """Two threads that end with the process. Silent unless `talks`; calls `at_end` when supervisord has ended, and
    `at_restart` with the name of a part that has died and is started again."""

    def __init__(
        self,
        supervisor: Supervisor,
        messages: bool,
        at_end: Callable[[], None],
        at_restart: Callable[[str], None],
    ) -> None:
        self.supervisor = supervisor
        self.talks = False
        self._at_end, self._at_restart = at_end, at_restart
        self._dead: set[str] = set()
        self._file = supervisor.plan.logs / MESSAGES
        self._offset = _size(self._file)
        threading.Thread(target=self._events, daemon=True).start()
        if messages:
            threading.Thread(target=self._messages, daemon=True).start()

    def _events(self) -> None:
        for part, what, detail in self.supervisor.events():
            if what == "died" and detail == REFUSED:
                self.supervisor.give_up(part)
                self._tell(f"! {part} can't work as it is set up and stays down; its log: {self._log(part)}")
            elif what == "died":
                self._dead.add(part)
                self._tell(f"! {part} died ({detail}) and is being restarted; its log: {self._log(part)}")
            elif what == "gave up":
                self._tell(f"! {part} died too often and stays down; its log: {self._log(part)}")
            elif part in self._dead:
                self._dead.remove(part)
                self._tell(f"  {part} is started again (pid {detail})")
                self._at_restart(part)
        self._at_end()

    def _log(self, part: str) -> Path:
        return self.supervisor.plan.logs.joinpath(f"{part}.log").relative_to(self.supervisor.plan.var.parent)

    def _tell(self, line: str) -> None:
        if self.talks:
            say(line)

    def _messages(self) -> None:
        """The file is looked at, not waited for: supervisord writes it, and moves it away when it is large."""
        while True:
            time.sleep(PAUSE_SECONDS)
            size = _size(self._file)
            if size < self._offset:
                self._offset = 0
            if size > self._offset:
                with self._file.open("rb") as file:
                    file.seek(self._offset)
                    text = file.read(size - self._offset)
                self._offset = size
                self._tell(text.decode(errors="replace").rstrip("\n"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
