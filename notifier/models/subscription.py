"""Daily digests."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import models
from django.utils import timezone

from notifier.models.chat import Chat


class Subscription(models.Model):
    """A chat gets the rates of its favourites each day at `at` of `zone`. See `notifier.subscriptions`."""

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="subscriptions")
    at = models.TimeField("time of day")
    zone = models.CharField(max_length=64)
    created_at = models.DateTimeField("created", default=timezone.now)
    # The digest that is due next. Whoever moves it on from its old value sends that digest.
    next_at = models.DateTimeField("next")

    class Meta:
        ordering = ["chat", "at"]
        constraints = [models.UniqueConstraint(fields=["chat", "at", "zone"], name="one_digest_a_time")]
        indexes = [models.Index(fields=["next_at"], name="subscription_due")]

    def __str__(self) -> str:
        return f"{self.chat_id}: {self.at:%H:%M} {self.zone}"

    def local(self, time: dt.datetime) -> dt.datetime:
        """A time as the subscriber's clock shows it."""
        return time.astimezone(ZoneInfo(self.zone))
