"""Daily digests: made, found due, and written as messages."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils import timezone

from notifier import chats, clock, digest, messages, texts
from notifier.models import Chat, Message, Subscription

# Of one chat.
MOST = 5


class TooMany(Exception):
    """The chat has as many as it may have."""


def subscribe(chat: Chat, at: dt.time, zone: ZoneInfo) -> Subscription:
    """A daily digest; the same again where there is one at this time. Raises TooMany."""
    same = Subscription.objects.filter(chat=chat, at=at, zone=zone.key)
    if found := same.first():
        return found
    if Subscription.objects.filter(chat=chat).count() >= MOST:
        raise TooMany
    Chat.objects.filter(pk=chat.pk).update(zone=zone.key)
    next_at = clock.next_time(at, zone, timezone.now())
    try:
        with transaction.atomic():
            return Subscription.objects.create(chat=chat, at=at, zone=zone.key, next_at=next_at)
    except IntegrityError:
        # The same was asked for twice at once.
        return same.get()


def due(batch: int) -> list[Subscription]:
    rows = Subscription.objects.filter(next_at__lte=timezone.now(), chat__disabled=False)
    return list(rows.select_related("chat").order_by("next_at")[:batch])


def send_due(batch: int) -> int:
    """Write the digests that are due; returns how many. After a pause of beat one digest is sent, not one a day."""
    return sum(send(subscription) for subscription in due(batch))


@transaction.atomic
def send(subscription: Subscription) -> bool:
    """Claim one digest and write its message, both or neither. False where another was faster."""
    now, was_due = timezone.now(), subscription.next_at
    next_at = clock.next_time(subscription.at, ZoneInfo(subscription.zone), now)
    if not Subscription.objects.filter(pk=subscription.pk, next_at=was_due).update(next_at=next_at):
        return False
    with texts.speaking(chats.language_of(subscription.chat)):
        text = digest.text(subscription.chat.favourites)
    messages.write(Message.Kind.DIGEST, f"digest:{subscription.pk}:{was_due:%Y%m%dT%H%M}", subscription.chat_id, text)
    return True
