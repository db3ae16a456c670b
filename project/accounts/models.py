"""API tokens."""

import hashlib
import secrets

from django.db import models
from django.utils import timezone

# Known to secret scanners and to people: this string is a token of this service.
MARK = "rates_"
# What of a token is kept and shown to recognise it by: 48 of its 256 bits.
PREFIX_LENGTH = len(MARK) + 8


def digest(secret: str) -> str:
    """What is stored of a token.

    One fast SHA-256 without salt is enough, unlike for a password: the token has 256 random bits, so that nobody can
    try all of them or has a table of them; and it lets the token be found by an index.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def new_webhook_secret() -> str:
    return secrets.token_urlsafe(32)


class ApiTokenManager(models.Manager["ApiToken"]):
    def issue(self, name: str, *, may_read: bool = True, may_request: bool = True) -> tuple["ApiToken", str]:
        """A new token and its secret, which is nowhere to be had later."""
        token = self.model(name=name, may_read=may_read, may_request=may_request)
        secret = token.make_secret()
        token.save()
        return token, secret

    def of(self, secret: str) -> "ApiToken | None":
        """The token with this secret, unless it was revoked."""
        return self.filter(digest=digest(secret), revoked_at=None).first()


class ApiToken(models.Model):
    """One user of the API. Never deleted, for its requests name it: revoked."""

    name = models.CharField(max_length=100, help_text="Who uses it, and for what.")
    prefix = models.CharField(max_length=PREFIX_LENGTH, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    may_read = models.BooleanField("read", default=True, help_text="Its own requests, with Telegram ids and texts.")
    may_request = models.BooleanField("request", default=False, help_text="Ask for rates, and cancel that.")
    # As it is: signing needs it. It lets nobody in, it only tells a receiver that we are the sender.
    webhook_secret = models.CharField(max_length=64, default=new_webhook_secret, editable=False)
    created_at = models.DateTimeField("created", default=timezone.now, editable=False)
    # Within a minute.
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)

    objects = ApiTokenManager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def make_secret(self) -> str:
        """Give this token its secret, and return it."""
        secret = MARK + secrets.token_urlsafe(32)
        self.prefix, self.digest = secret[:PREFIX_LENGTH], digest(secret)
        return secret

    @property
    def scopes(self) -> list[str]:
        return [name for name, may in (("read", self.may_read), ("request", self.may_request)) if may]
