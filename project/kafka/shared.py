"""Clients of librdkafka that a process shares or owns, and what forks and the end of the interpreter mean to them.

A forked child must not even free its parent's clients: librdkafka's threads don't exist there. It keeps them as they
are, and makes its own.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaException

#: How long a close waits for its threads, in seconds: for all of them together.
CLOSE_TIMEOUT = 15.0


class Running(Protocol):
    """A thread and its client. `stop` doesn't wait; `join` does, until `deadline` on the monotonic clock."""

    def stop(self) -> None: ...
    def join(self, deadline: float) -> None: ...


T = TypeVar("T")
R = TypeVar("R", bound=Running)


def close_deadline() -> float:
    """For the `join` of a close that begins now."""
    return time.monotonic() + CLOSE_TIMEOUT


def join_thread(thread: threading.Thread, deadline: float, at_most: float = CLOSE_TIMEOUT) -> bool:
    """Wait until a thread has ended, until `deadline` on the monotonic clock, or for `at_most` seconds; returns whether
    it has ended.

    Nobody waits for one that never began, nor a thread for itself.
    """
    if thread.ident and thread is not threading.current_thread():
        thread.join(min(at_most, max(0.0, deadline - time.monotonic())))
        return not thread.is_alive()
    return True


def close_some_time(consumer: Consumer, then: Callable[[], None] = lambda: None) -> None:
    """Close a consumer whose brokers don't answer, from a thread that nobody waits for, nor the end of the interpreter;
    then call `then`.

    Where they hang, a close waits a minute for what they were asked before. It has to be closed all the same: it would
    go on saying that it lives once they are back.
    """

    def close() -> None:
        with contextlib.suppress(KafkaException, RuntimeError):  # whoever began to leave has said what is to be said
            consumer.close()
        then()

    with contextlib.suppress(RuntimeError):  # an interpreter that ends starts no thread, and takes the consumer with it
        threading.Thread(target=close, name="kafka-close", daemon=True).start()


def keep_for_ever(client: object) -> None:
    """A reference that nobody gives back: what a module holds is freed when the interpreter ends, and that crashes."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))


class PerProcess(Generic[T]):
    """One object for each key in each process. Safe to share among threads."""

    def __init__(self) -> None:
        self._made: dict[Hashable, T] = {}
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._after_fork)
        _per_process.append(self)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def values(self) -> list[T]:
        with self._lock:
            return list(self._made.values())

    def give_up(self) -> None:
        with self._lock:
            made, self._made = self._made, {}
        for one in made.values():
            if (stop := getattr(one, "stop", None)) is not None:
                stop()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        for client in self._made.values():
            keep_for_ever(client)
        self._made.clear()


_per_process: list[PerProcess[Any]] = []


def give_up_shared() -> None:
    """Let go of what this process shares: the next connection makes its own anew, and what is open keeps what it has.

    For a process that goes from one broker to the next, or from one configuration: each has clients of its own, and
    each client its threads, which would stay to the end.
    """
    for one in _per_process:
        one.give_up()


class Alive(Generic[R]):
    """The objects of one kind whose threads run in this process."""

    def __init__(self) -> None:
        self._running: weakref.WeakSet[Any] = weakref.WeakSet()
        self.add, self.discard = self._running.add, self._running.discard
        os.register_at_fork(after_in_child=self._after_fork)
        _kinds.append(self)

    def __iter__(self) -> Iterator[R]:
        return iter(tuple(self._running))

    def _after_fork(self) -> None:
        for client in self._running:
            keep_for_ever(client)
        self._running.clear()


_kinds: list[Alive[Any]] = []


@atexit.register
def _stop_all() -> None:
    """A thread inside librdkafka must not outlive the interpreter: each is told to stop, and waited for, but for those
    that were waited for in vain already."""
    deadline = close_deadline()
    for kind in reversed(_kinds):
        running = tuple(kind)
        for one in running:
            one.stop()
        for one in running:
            one.join(deadline)
