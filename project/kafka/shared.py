"""Clients of librdkafka that a process shares or owns, and what forks and the end of the interpreter mean to them.

A forked child must not even free its parent's clients: librdkafka's threads don't exist there. It keeps them as they
are, and makes its own.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


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


def join_each(running: Iterable[Any]) -> None:
    for one in running:
        one.join()


class Alive(Generic[T]):
    """The objects whose threads run in this process; all are told to `stop` before the interpreter ends, then joined.

    A thread inside librdkafka must not outlive the interpreter.
    """

    def __init__(self, join_all: Callable[[Iterable[T]], None] = join_each) -> None:
        self._running: weakref.WeakSet[Any] = weakref.WeakSet()
        self.add, self.discard = self._running.add, self._running.discard
        self._join_all = join_all
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self._stop_all)

    def _stop_all(self) -> None:
        running = tuple(self._running)
        for one in running:
            one.stop()
        self._join_all(running)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._running))

    def _after_fork(self) -> None:
        for client in self._running:
            keep_for_ever(client)
        self._running.clear()
