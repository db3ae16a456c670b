"""The Idempotency-Keys that clients have sent, and the requests that each stands for."""

from django.db import models


class IdempotencyKey(models.Model):
    """Written together with its requests, in one transaction: that both are there or neither is what makes it safe."""

    # Whose key: two clients may happen to choose the same.
    scope = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    # Of what was asked for, see notifier.idempotency.
    digest = models.CharField(max_length=64)
    request_ids = models.JSONField(default=list)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="one_meaning_per_key")]

    def __str__(self) -> str:
        return f"{self.scope}: {self.key}"
