"""Messages that nobody has just asked for: digests, alerts, tests of a chat."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Message(models.Model):
    """One message to one chat, written before it is sent. Only `notifier.messages` changes a row."""

    class Kind(models.TextChoices):
        DIGEST = "digest"
        ALERT = "alert"
        TEST = "test"

    class Status(models.TextChoices):
        WAITING = "waiting"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=6, choices=Kind)
    # What this message is about, so that it is written once: "digest:7:2026-11-25T06:00:00+00:00".
    key = models.CharField(max_length=80, unique=True)
    telegram_id = models.BigIntegerField()
    text = models.TextField()
    status = models.CharField(max_length=7, choices=Status, default=Status.WAITING)
    # Of a long text's parts (notifier.parts).
    parts_sent = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField("created", default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    # As in RateRequest: until then one task may send; when the sweeper takes this message for stuck.
    lease_until = models.DateTimeField(null=True)
    sweep_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="message_newest"),
            models.Index(fields=["telegram_id", "-created_at"], name="message_chat"),
            models.Index(fields=["status", "-created_at"], name="message_status"),
            models.Index(fields=["kind", "-created_at"], name="message_kind"),
            models.Index(fields=["sweep_at"], name="message_sweep", condition=Q(sweep_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.telegram_id} ({self.status})"
