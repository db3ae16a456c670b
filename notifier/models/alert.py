"""Alerts: tell a chat once when a rate crosses a line."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from notifier.models.chat import Chat


class Alert(models.Model):
    """`notifier.alerts` has the rules; all figures are roubles for one unit of the currency.

    An alert fires while it is armed and the rate is above `high` or below `low`.
    """

    class Kind(models.TextChoices):
        ABOVE = "above", ">"
        BELOW = "below", "<"
        CHANGE = "change", "±"

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="alerts")
    char_code = models.CharField("currency", max_length=3)
    kind = models.CharField(max_length=6, choices=Kind)
    # Roubles, or per cent for a change.
    threshold = models.DecimalField(max_digits=15, decimal_places=6)
    low = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    high = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    armed = models.BooleanField(default=True)
    # How often it has fired: whoever counts it on from its old value sends that message.
    fires = models.PositiveIntegerField("fired", default=0)
    fired_at = models.DateTimeField("last fired", null=True, blank=True)
    created_at = models.DateTimeField("created", default=timezone.now)

    class Meta:
        ordering = ["chat", "pk"]
        indexes = [models.Index(fields=["char_code", "armed"], name="alert_currency")]
        constraints = [
            models.CheckConstraint(condition=Q(threshold__gt=0), name="alert_threshold_is_positive"),
            models.CheckConstraint(
                condition=Q(low=None) | Q(high=None) | Q(low__lt=F("high")), name="alert_low_is_below_high"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chat_id}: {self.char_code} {self.kind} {self.threshold.normalize():f}"
