"""What happens to a token after it was made; each change is one UPDATE … WHERE."""

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from project.accounts.models import ApiToken, new_webhook_secret

# `last used` is for people: to write it at every call would make each read of the API a write.
USED_EVERY = dt.timedelta(minutes=1)


def used(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - USED_EVERY:
        rows = ApiToken.objects.filter(pk=token.pk)
        rows.filter(Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)).update(last_used_at=now)


def revoke(token: ApiToken) -> bool:
    """It is refused from now on. False where it was already."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()))


def renew_webhook_secret(token: ApiToken) -> str:
    """Later deliveries are signed with the new secret, the tries of earlier requests too."""
    secret = new_webhook_secret()
    ApiToken.objects.filter(pk=token.pk).update(webhook_secret=secret)
    return secret
