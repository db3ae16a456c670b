"""Idempotency-Key: a client that doesn't know whether its POST arrived sends it again, and gets the same requests.

The key is written in the transaction that writes the requests. A unique constraint lets one of two equal POSTs at the
same time do that; the other waits for it, and finds the key.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from notifier.models import IdempotencyKey, RateRequest

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Reused(APIException):
    """The key stands for something else: 409."""

    status_code = 409
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used with another body. Take a new key for a new request."


def key_of(request: Request) -> str:
    """The header's value, "" without one. Raises ValidationError."""
    key = request.headers.get(HEADER)
    if key is None:
        return ""
    if not KEY.fullmatch(key):
        raise ValidationError({HEADER: ["Must be 1 to 255 visible ASCII characters, a random UUID for example."]})
    return key


def digest(wanted: dict[str, Any]) -> str:
    """Of what is asked for, not of the bytes: a form and JSON, or usd and USD, ask for the same."""
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def earlier(scope: str, key: str, wanted: dict[str, Any]) -> list[UUID] | None:
    """The requests that this key stands for; None where it is new or its time is over. Raises Reused."""
    row = IdempotencyKey.objects.filter(scope=scope, key=key, created_at__gt=oldest()).first() if key else None
    if row is None:
        return None
    if row.digest != digest(wanted):
        raise Reused
    return [UUID(request_id) for request_id in row.request_ids]


def once(scope: str, key: str, wanted: dict[str, Any], make: Callable[[], Sequence[RateRequest]]) -> list[UUID]:
    """`make` the requests, all or none; or, where the key is there already, what it stands for. Raises Reused."""
    if not key:
        return [request.pk for request in make()]
    try:
        with transaction.atomic():
            row = _take(scope, key, wanted)
            made = [request.pk for request in make()]
            row.request_ids = [str(request_id) for request_id in made]
            row.save(update_fields=["request_ids"])
            return made
    except IntegrityError:
        found = earlier(scope, key, wanted)
        if found is None:
            raise
        return found


def _take(scope: str, key: str, wanted: dict[str, Any]) -> IdempotencyKey:
    """Raises IntegrityError where somebody else has it."""
    IdempotencyKey.objects.filter(scope=scope, key=key, created_at__lte=oldest()).delete()
    return IdempotencyKey.objects.create(scope=scope, key=key, digest=digest(wanted), created_at=timezone.now())


def oldest() -> dt.datetime:
    """Older keys count no more."""
    return timezone.now() - dt.timedelta(hours=settings.IDEMPOTENCY_KEY_HOURS)


def forget_old() -> int:
    """Returns how many keys were deleted."""
    return IdempotencyKey.objects.filter(created_at__lte=oldest()).delete()[0]
