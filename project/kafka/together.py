"""Publishing many messages at once, by whatever publishes them (Celery's `apply_async`, a kombu producer)::

    with together() as batch:
        for task in tasks:
            with batch.item() as item:
                task.apply_async(retry=False)
    # here each is confirmed, or its item has a `failure`

Within the block a publish of this thread only begins; the block's end waits for all confirmations, for one
`publish_timeout` in all. With any other transport each publish is done at once, as usual.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kombu.exceptions import OperationalError

#: Waits for what was begun; returns what went wrong.
Finish = Callable[[], OperationalError | None]


class Item:
    """What is published as one. `failure` is None where all of it is confirmed, once the batch has ended."""

    __slots__ = ("_begun", "failure")

    def __init__(self) -> None:
        self._begun: list[Finish] = []
        self.failure: OperationalError | None = None

    def add(self, finish: Finish) -> None:
        self._begun.append(finish)

    def finish(self) -> None:
        for finish in self._begun:
            self.failure = finish() or self.failure


class Batch:
    """The items of one block; a publish outside of an item is one by itself and raises as ever."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    @contextmanager
    def item(self) -> Iterator[Item]:
        """Publishes within belong to the item; what they raise of kombu's OperationalError is its failure."""
        item = Item()
        self.items.append(item)
        _this_thread.item = item
        try:
            yield item
        except OperationalError as error:
            item.failure = error
        finally:
            _this_thread.item = None

    def finish(self) -> None:
        for item in self.items:
            item.finish()


_this_thread = threading.local()


def current() -> Item | None:
    """The item that this thread publishes for."""
    item: Item | None = getattr(_this_thread, "item", None)
    return item


@contextmanager
def together() -> Iterator[Batch]:
    """See the module. The confirmations are waited for also where the block ends by an exception."""
    batch = Batch()
    try:
        yield batch
    finally:
        batch.finish()
