"""Where a request is told: a Telegram id, by the backend that the settings name, or a webhook."""

from typing import Any

from notifier.backends import get_backend, webhook
from notifier.models import RateRequest
from notifier.serializers import ToldRateSerializer


def send(request: RateRequest, text: str, chat_id: int | None) -> int | None:
    """Deliver, once it returns: to this chat, or to the request's webhook. Bounded in time.

    Returns the chat's new id where it has one now. Raises PermanentError, TemporaryError or Busy.
    """
    if chat_id is not None:
        return get_backend().send(chat_id, text)
    assert request.token is not None, "a webhook is signed with the secret of its token"
    webhook.send(request.webhook_url, request.token.webhook_secret, str(request.pk), payload(request, text))
    return None


def payload(request: RateRequest, text: str) -> dict[str, Any]:
    """The body of a webhook; `rate` is as in the API."""
    return {
        "id": str(request.pk),
        "currency_char_code": request.currency_char_code,
        "rate": ToldRateSerializer(request).data,
        "text": text,
    }
