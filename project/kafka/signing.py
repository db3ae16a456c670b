"""Signed messages: who may write to a topic but doesn't know the key can't have a worker do anything (``signing_key``).

The whole message is signed, headers and body, so that nothing of it can be put into another. A signature stands before
the record's JSON: ``hmac-sha256:<hexadecimal>:{…}``. A worker with a key takes nothing without one; a worker without a
key takes both, so that the key can be given to the clients first.

A signed message can be sent once more by who has read it: tasks that may run twice are what at-least-once asks for.
"""

from __future__ import annotations

import hashlib
import hmac
import re

SIGNATURE = re.compile(rb"hmac-sha256:([0-9a-f]{64}):")
#: A shorter key could be tried out, in characters.
SHORTEST_KEY = 16


def keys_of(text: str) -> tuple[bytes, ...]:
    """The option's keys, separated by blanks: the first signs, each is accepted, so that a key can be changed."""
    return tuple(key.encode() for key in text.split())


def sign(value: bytes, keys: tuple[bytes, ...]) -> bytes:
    return b"hmac-sha256:" + _digest(value, keys[0]) + b":" + value if keys else value


def opened(value: bytes, keys: tuple[bytes, ...] = ()) -> bytes | None:
    """The value without its signature; None where there are keys and it isn't signed by any of them."""
    found = SIGNATURE.match(value)
    bare = value[found.end() :] if found else value
    if not keys:
        return bare
    fits = found is not None and any(hmac.compare_digest(found[1], _digest(bare, key)) for key in keys)
    return bare if fits else None


def _digest(value: bytes, key: bytes) -> bytes:
    return hmac.new(key, value, hashlib.sha256).hexdigest().encode()
