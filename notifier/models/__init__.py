"""What is written down of requests, and of those who get messages."""

from notifier.models.idempotency_key import IdempotencyKey
from notifier.models.rate_request import RateRequest

__all__ = ["IdempotencyKey", "RateRequest"]
