"""Keeps messages in a list of this process: for tests."""

from typing import NamedTuple

from notifier.backends.base import Backend


class Message(NamedTuple):
    chat_id: int
    text: str


outbox: list[Message] = []


class MemoryBackend(Backend):
    def send(self, chat_id: int, text: str) -> None:
        outbox.append(Message(chat_id, text))
