"""What is written down of requests, and of those who get messages."""

from notifier.models.alert import Alert
from notifier.models.chat import Chat
from notifier.models.message import Message
from notifier.models.rate_request import RateRequest
from notifier.models.subscription import Subscription

__all__ = ["Alert", "Chat", "Message", "RateRequest", "Subscription"]
