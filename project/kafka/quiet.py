"""What librdkafka's clients log, without the flood: one line when a broker goes, one when it is back.

While a broker is away each client tries it up to twenty times a second and logs each failure. Here a failed connect
is only a hint: a plain connect of our own finds out what is true of the broker, once for all clients of the process.
"""

from __future__ import annotations

import logging
import os
import random
import re
import socket
import threading
import time
from dataclasses import dataclass

logger = logging.getLogger(__name__)

#: For clients that are polled all the time: librdkafka keeps what it logs until the next poll. Others log nothing.
librdkafka_logger = logging.getLogger(f"{__package__}.librdkafka")

#: The same line is logged once in this many seconds.
REPEAT_AFTER = 60.0
REMIND_AFTER = 600.0
#: A broker that no client has failed to reach for this long isn't asked for any more.
FORGET_AFTER = 120.0
KNOCK_EVERY = 1.0
KNOCK_TIMEOUT = 3.0

_BROKER = re.compile(r"(?:GroupCoordinator: )?(?:\w+://)?(?P<host>\[[^\]]+\]|[^\s/:]+):(?P<port>\d+)(?:/\S+)?: ")
_UNREACHABLE = re.compile(r": (Connect to |Connection setup timed out|Failed to resolve|Disconnected)")
_VARIABLE = re.compile(r"\d+")


class Repeats(logging.Filter):
    """Lets a line pass that didn't pass within the last minute; numbers don't make it another."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, tuple[float, int]] = {}  # line -> when it passed, how often it was held back since
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._after_fork)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        key, now = _VARIABLE.sub("", text), time.monotonic()
        with self._lock:
            at, held = self._passed.get(key, (float("-inf"), 0))
            if now - at < REPEAT_AFTER:
                self._passed[key] = at, held + 1
                return False
            self._passed = {line: seen for line, seen in self._passed.items() if now - seen[0] < REPEAT_AFTER}
            self._passed[key] = now, 0
        if held:
            record.msg, record.args = "%s (%d more like it before)", (text, held)
        return True

    def _after_fork(self) -> None:
        self._lock = threading.Lock()


class ClientLog(Repeats):
    """Lines of librdkafka: (facility, client, text). Those about brokers that can't be reached go to the watch."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO or not isinstance(record.args, tuple) or len(record.args) != 3:
            return True
        facility, _, text = (str(argument) for argument in record.args)
        text = text.rpartition("]: ")[2]  # without the name of librdkafka's thread
        if facility == "FAIL" and _UNREACHABLE.search(text):
            # The coordinator's line may lack the address; there is another connection to the same broker.
            if (broker := _BROKER.match(text)) is not None:
                self._watch.failed(broker["host"].strip("[]"), int(broker["port"]))
            return False
        record.msg, record.args = "%s: %s", (facility, text)
        return super().filter(record)


@dataclass(slots=True)
class Broker:
    """A broker that a client couldn't reach."""

    since: float
    hinted: float  # when a client failed last
    told: float | None = None  # when it was last said to be away


class Watch:
    """Looks after the brokers that clients can't reach, in a thread that lives as long as there is one."""

    def __init__(self) -> None:
        #: When a broker was last known to be away, on the monotonic clock.
        self.away_at = float("-inf")
        self._brokers: dict[tuple[str, int], Broker] = {}
        self._lock = threading.Lock()
        self._running = False
        os.register_at_fork(after_in_child=self._after_fork)

    def failed(self, host: str, port: int) -> None:
        """A client couldn't connect, or thinks so: what is logged may be some seconds old."""
        now = time.monotonic()
        with self._lock:
            self._brokers.setdefault((host, port), Broker(now, now)).hinted = now
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="kafka-watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                brokers = dict(self._brokers)
                self._running = bool(brokers)
            if not brokers:
                return
            for address, broker in brokers.items():
                if not self._away(address, broker):
                    with self._lock:
                        del self._brokers[address]
            time.sleep(random.uniform(0.8, 1.2) * KNOCK_EVERY)

    def _away(self, address: tuple[str, int], broker: Broker) -> bool:
        """Whether the broker is still to be watched; says what there is to say."""
        name = "{}:{}".format(*address)
        reason = _knock(address)
        now = time.monotonic()
        if reason is None:
            if broker.told is not None:
                logger.warning("broker %s is back after %.0f s", name, now - broker.since)
            return False
        self.away_at = now
        if broker.told is None:
            logger.warning("broker %s is away (%s); its clients go on trying", name, reason)
            broker.told = now
        elif now - broker.told > REMIND_AFTER:
            logger.warning("broker %s has been away for %.0f s: %s", name, now - broker.since, reason)
            broker.told = now
        return now - broker.hinted < FORGET_AFTER

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._brokers.clear()
        self._running = False


def _knock(address: tuple[str, int]) -> str | None:
    """Why a broker's port doesn't answer; None where it does."""
    try:
        socket.create_connection(address, KNOCK_TIMEOUT).close()
    except OSError as error:
        return str(error.strerror or error)
    return None


watch = Watch()
librdkafka_logger.addFilter(ClientLog(watch))
