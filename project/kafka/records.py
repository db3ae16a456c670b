"""How a kombu message looks as a Kafka record: the JSON of kombu's message dictionary is the record's value."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from kombu.utils.json import dumps, loads

from .signing import opened, sign

Message = dict[str, Any]
Headers = list[tuple[str, str | bytes | None]]
#: A record's header that tells how often its message was handed out before it was put back into its queue.
DELIVERIES = "celery-deliveries"
#: A dead letter's headers, beside those that the record had: why it died, where it was (`topic:partition:offset`), how
#: often it was delivered, and when it died (ISO 8601, UTC).
DEAD_PREFIX = "celery-dead-"
DEAD_REASON = f"{DEAD_PREFIX}reason"
DEAD_ORIGIN = f"{DEAD_PREFIX}origin"
DEAD_DELIVERIES = f"{DEAD_PREFIX}deliveries"
DEAD_TIME = f"{DEAD_PREFIX}time"
#: When the broker first had the message, in milliseconds since 1970: in copies that were put back into their queue.
PUBLISHED = "celery-published"
#: In what order the messages of one sender were published; only for queues with priorities.
SEQUENCE = "celery-sequence"
TOPIC_LENGTH = 249
#: How kombu's JSON marks what isn't JSON's own: dates, UUIDs, decimals …
TYPED = b'"__type__"'


class BadRecord(Exception):
    """A record that is no message: it can only go to the dead letters."""


def topic_name(prefix: str, queue: str, length: int = TOPIC_LENGTH) -> str:
    """The topic of a queue. Kafka allows letters, digits, `.`, `_` and `-`, and 249 of them."""
    name = prefix + re.sub(r"[^a-zA-Z0-9._-]", lambda match: f"_{ord(match[0]):x}_", queue)
    if len(name) > length:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name[: length - 17]}-{digest}"
    return name


def encode(message: Message, keys: tuple[bytes, ...] = ()) -> bytes:
    """The record's value for a message dictionary of kombu, signed with the first of the keys."""
    text: str = dumps(message)
    return sign(text.encode(), keys)


def decode(value: bytes, keys: tuple[bytes, ...] = ()) -> Message:
    """The message dictionary of a record's value. Raises BadRecord for anything else, and where there are keys for
    what is not signed with one of them."""
    bare = opened(value, keys)
    if bare is None:
        raise BadRecord("not signed, or not with a key that is known here")
    try:
        # kombu's own parser calls back for each object; nearly no message needs that, and it takes a third longer.
        message = loads(bare) if TYPED in bare else json.loads(bare.decode())
    except Exception as error:  # a decoder of kombu's types raises whatever it likes, and none may end a reader
        raise BadRecord(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise BadRecord("not a message: no JSON object")
    properties = message.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        raise BadRecord("not a message: no properties with delivery_info")
    if not isinstance(message.get("headers") or {}, dict) or "body" not in message:
        raise BadRecord("not a message: no headers or no body")
    return message


def number(headers: Headers, name: str) -> int:
    """A header that counts something; 0 where it is missing, or somebody else's."""
    if not headers:
        return 0
    value = next((value for key, value in headers if key == name), None)
    try:
        return int(value or 0)
    except ValueError:
        return 0
