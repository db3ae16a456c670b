"""Prints messages instead of sending them: for development, and where no bot is set up."""

import os
import sys

from notifier.backends.base import Backend, TemporaryError

LINE = "-" * 60


class ConsoleBackend(Backend):
    def send(self, chat_id: int, text: str) -> None:
        block = f"\n{LINE}\nTo {chat_id}:\n{text}\n{LINE}\n".encode()
        try:
            # One write, past Python's buffer: the pool's processes share this terminal and must not mix their
            # lines. The worker replaces sys.stdout, so the descriptor is asked for directly.
            os.write(getattr(sys.__stdout__, "fileno", lambda: 1)(), block)
        except OSError as error:
            raise TemporaryError(f"the console can't be written to: {error}") from error
