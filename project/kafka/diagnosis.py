"""Why a broker that is there doesn't serve us: librdkafka's calls only time out, its log and its events know more."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from .errors import NOT_AUTHENTICATED, AccessDenied, checked


def refusal(config: Mapping[str, Any], timeout: float) -> str | None:
    """What goes wrong with a connection of these settings, None where nothing does within `timeout` seconds.

    Raises AccessDenied where the broker refuses the credentials. A client of its own is asked: what one that lives on
    has to tell would pile up in memory, because nobody polls it.
    """
    errors: list[KafkaError] = []
    lines = _Lines()
    log = logging.Logger("diagnosis")
    log.addHandler(lines)
    client = checked(AdminClient, {**config, "error_cb": errors.append, "logger": log})
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not lines.texts:
        client.poll(0.1)
    client.poll(0)
    for error in errors:
        if error.code() in NOT_AUTHENTICATED:
            raise AccessDenied(f"the broker refuses the user name, the password or the token: {_text(error)}")
    told = [_text(error) for error in errors if error.code() == KafkaError._SSL] or lines.texts[:1]
    if told and "APIVERSION" in told[0]:  # the first request: the other side hung up on it
        told[0] += "; does this port speak another security.protocol?"
    return told[0] if told else None


def _text(error: KafkaError) -> str:
    return error.str().rpartition("]: ")[2]


class _Lines(logging.Handler):
    """Keeps what librdkafka says of failed connections, without the names of its client and thread."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("FAIL "):
            self.texts.append(text.rpartition("]: ")[2])
