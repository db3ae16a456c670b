"""Those who talk to the bot or get its messages: one row a chat, a person or a group."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

DEFAULT_ZONE = "Europe/Moscow"
DEFAULT_FAVOURITES = ("USD", "EUR", "CNY")


def default_favourites() -> list[str]:
    return list(DEFAULT_FAVOURITES)


class Chat(models.Model):
    """How a chat wants to be spoken to, and whether it can be. Only `notifier.chats` changes a row."""

    # Telegram's own: people have positive ids, groups and channels negative ones.
    id = models.BigIntegerField("Telegram id", primary_key=True)
    # Empty: settings.NOTIFIER_LANGUAGE.
    language = models.CharField(max_length=2, blank=True)
    favourites: ClassVar[models.JSONField] = models.JSONField(default=default_favourites, blank=True)
    # An IANA name; where a new subscription doesn't name another.
    zone = models.CharField(max_length=64, default=DEFAULT_ZONE)
    created_at = models.DateTimeField("first seen", default=timezone.now)

    # Telegram refuses messages to this chat: nothing is sent by schedule until it writes again.
    disabled = models.BooleanField(default=False)
    disabled_reason = models.CharField(max_length=40, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    # The last time that a message could not be sent for good, kept when later ones can.
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    # The supergroup that this group has become; messages go there.
    migrated_to = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="chat_newest"),
            models.Index(fields=["-last_error_at"], name="chat_last_error"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
