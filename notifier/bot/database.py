"""Calls that ask the database, the cache or the Bank: each in a thread, so that others' updates go on meanwhile."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")


async def database(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `call` returns or raises. The texts' language goes along into the thread."""
    return await sync_to_async(_fresh, thread_sensitive=False)(call, *args, **kwargs)


def _fresh(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As Django's requests begin and end: with no connection that is broken or too old."""
    close_old_connections()
    try:
        return call(*args, **kwargs)
    finally:
        close_old_connections()
