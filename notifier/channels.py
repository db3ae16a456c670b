"""Where a request is told: a Telegram chat, by the backend that the settings name, or a webhook."""

from typing import Any, Protocol

from django.conf import settings

from notifier import chats
from notifier.backends import get_backend, webhook
from notifier.models import RateRequest
from notifier.serializers import ToldRateSerializer


class Channel(Protocol):
    @property
    def language(self) -> str: ...

    def send(self, request: RateRequest, text: str) -> None:
        """Deliver, once it returns. Bounded in time. Raises PermanentError, TemporaryError or Busy."""

    def arrived(self) -> None:
        """It is written down that the message has arrived: what else is known by that?"""

    def refused(self, code: str, error: str) -> None:
        """The other side refuses the message for good."""


class TelegramChat:
    """What the answers tell of a chat is kept with it."""

    def __init__(self, telegram_id: int) -> None:
        self._chat = chats.get(telegram_id)
        self._moved_to: int | None = None

    @property
    def language(self) -> str:
        return chats.language_of(self._chat)

    def send(self, request: RateRequest, text: str) -> None:
        self._moved_to = get_backend().send(self._chat.pk, text)

    def arrived(self) -> None:
        if self._moved_to:
            chats.follow(self._chat.pk, self._moved_to)
        if self._chat.disabled:
            chats.reached(self._chat.pk)

    def refused(self, code: str, error: str) -> None:
        chats.refused(self._chat.pk, code, error)


class Webhook:
    """Signed with the secret of the token that the request was made with."""

    @property
    def language(self) -> str:
        return str(settings.NOTIFIER_LANGUAGE)

    def send(self, request: RateRequest, text: str) -> None:
        assert request.token is not None, "a webhook is signed with the secret of its token"
        webhook.send(request.webhook_url, request.token.webhook_secret, str(request.pk), payload(request, text))

    def arrived(self) -> None: ...

    def refused(self, code: str, error: str) -> None: ...


def channel_of(request: RateRequest) -> Channel:
    return Webhook() if request.telegram_id is None else TelegramChat(request.telegram_id)


def payload(request: RateRequest, text: str) -> dict[str, Any]:
    """The body of a webhook; `rate` is as in the API."""
    return {
        "id": str(request.pk),
        "currency_char_code": request.currency_char_code,
        "rate": ToldRateSerializer(request).data,
        "text": text,
    }
