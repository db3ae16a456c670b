"""The request log: one row a request, from the POST to the delivered message."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class RateRequest(models.Model):
    """Who asked for which rate and how far that went. Only `notifier.requests` changes a row."""

    class Status(models.TextChoices):
        ACCEPTED = "accepted"
        FETCHING = "fetching"
        NOTIFYING = "notifying"
        DELIVERED = "delivered"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    currency_char_code = models.CharField("currency", max_length=3)
    # Exactly one of these two says where the rate is told. People have positive ids, groups and channels negative ones.
    telegram_id = models.BigIntegerField(null=True)
    webhook_url = models.CharField(max_length=2000, blank=True, default="", db_default="")
    # Whose request this is; None: nobody's in particular (anonymous, the admin's, the bot's).
    token = models.ForeignKey("accounts.ApiToken", models.PROTECT, null=True, db_index=False, related_name="requests")
    status = models.CharField(max_length=9, choices=Status, default=Status.ACCEPTED)

    created_at = models.DateTimeField("created", default=timezone.now)
    # Later than created_at where a failed request was sent again.
    accepted_at = models.DateTimeField(default=timezone.now)
    fetching_at = models.DateTimeField(null=True)
    notifying_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # The rate as it was told. found is None until the sheet was asked.
    found = models.BooleanField(null=True)
    nominal = models.PositiveIntegerField(null=True)
    value = models.DecimalField(max_digits=24, decimal_places=8, null=True)
    sheet_date = models.DateField(null=True)
    fresh = models.BooleanField(null=True)
    text = models.TextField(blank=True)

    fetch_attempts = models.PositiveIntegerField(default=0)
    notify_attempts = models.PositiveIntegerField(default=0)
    # The last error, kept also while the step is tried again.
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)

    # Confirmed publishes of the chain, and the time of the newest.
    publishes = models.PositiveIntegerField(default=0)
    published_at = models.DateTimeField(null=True)
    # Until then one notify task has the right to send; nobody else may. `sender` is its process (notifier.owners).
    lease_until = models.DateTimeField(null=True)
    sender = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Deliveries that may have been repeats: an earlier one began, and nobody wrote down how it ended.
    possible_repeats = models.PositiveIntegerField(default=0, db_default=0)
    # When the relay publishes this request (again), unless a step moves it on. None once it has ended.
    sweep_at = models.DateTimeField(null=True)
    # The relay that is just publishing it, with the number of its batch.
    claimed_by = models.CharField(max_length=100, blank=True, default="", db_default="")
    # The X-Request-ID of who asked (project.trace): it goes on in the logs of its tasks.
    trace = models.CharField(max_length=64, blank=True, default="", db_default="")

    # OpenTelemetry's, where that is on (project.tracing): the relay goes on with it.
    traceparent = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="request_newest"),
            models.Index(fields=["status", "-created_at"], name="request_status"),
            models.Index(fields=["currency_char_code", "-created_at"], name="request_currency"),
            models.Index(fields=["telegram_id", "-created_at"], name="request_person"),
            models.Index(fields=["token", "-created_at"], name="request_token", condition=Q(token__isnull=False)),
            models.Index(fields=["error_code", "-created_at"], name="request_error", condition=~Q(error_code="")),
            models.Index(fields=["sweep_at"], name="request_sweep", condition=Q(sweep_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.currency_char_code} → {self.recipient} ({self.status})"

    @property
    def recipient(self) -> int | str:
        """Where the rate is told: a Telegram id, or a webhook's address."""
        return self.webhook_url if self.telegram_id is None else self.telegram_id

    def task_id(self, step: str) -> str:
        """The id of a step's task. A publish whose outcome is unknown is tried again under the same ids, one that was
        confirmed gives way to new ones."""
        return str(uuid.uuid5(self.pk, f"{step} {self.accepted_at.timestamp():.6f} {self.publishes}"))

    @property
    def told(self) -> "RateRequest | None":
        """This row where the sheet was asked: for the API's `rate`."""
        return self if self.found is not None else None

    @property
    def failure(self) -> "RateRequest | None":
        """This row where it has an error: for the API's `error`."""
        return self if self.error_code else None
