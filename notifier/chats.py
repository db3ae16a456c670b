"""Every change of a chat. Each may run twice and beside any other."""

import datetime as dt
import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from notifier.models import Alert, Chat, Subscription

log = logging.getLogger(__name__)

# Telegram's refusals that hold for every message to this chat, until somebody there does something about it.
DISABLING = ("blocked", "deactivated", "kicked", "forbidden", "no_rights", "chat_not_found")
MOST_FAVOURITES = 30
# A supergroup's row that is younger than this when we hear what group it was, was made by the move itself.
YOUNG = dt.timedelta(minutes=1)


def get(chat_id: int) -> Chat:
    """The chat as it is stored, the one that it has moved to, or a new one that isn't stored yet."""
    chat = _stored(chat_id)
    if chat and chat.migrated_to:
        chat = _stored(chat.migrated_to) or Chat(pk=chat.migrated_to, language=chat.language)
    return chat or Chat(pk=chat_id)


def _stored(chat_id: int) -> Chat | None:
    """As `filter(pk=chat_id).first()`, which takes twice as long: each message asks."""
    return next(iter(Chat.objects.raw("SELECT * FROM notifier_chat WHERE id = %s", [chat_id])), None)


def seen(chat_id: int, language: str = "") -> Chat:
    """The chat has written to us: it is stored from now on, and messages to it can be sent (again)."""
    chat, _ = Chat.objects.get_or_create(pk=chat_id, defaults={"language": language})
    if chat.disabled:
        reached(chat_id)
        chat.refresh_from_db()
    return chat


def language_of(chat: Chat) -> str:
    return chat.language or settings.NOTIFIER_LANGUAGE


def arrived(chat: Chat, moved_to: int | None) -> None:
    """A message to `chat` has arrived, perhaps where the chat has moved to meanwhile."""
    if moved_to:
        follow(chat.pk, moved_to)
    if chat.disabled:
        reached(chat.pk)


def reached(chat_id: int) -> bool:
    """A message has arrived there. The last error stays, to be read."""
    rows = Chat.objects.filter(pk=chat_id, disabled=True)
    return bool(rows.update(disabled=False, disabled_reason="", disabled_at=None))


def refused(chat_id: int, code: str, error: str) -> None:
    """Telegram refuses a message to this chat for good: keep why, and disable the chat where all would be refused."""
    if code == "bad_token":
        return  # says nothing of the chat
    now = timezone.now()
    Chat.objects.update_or_create(pk=chat_id, defaults={"last_error": error, "last_error_at": now})
    if code in DISABLING:
        disable(chat_id, code)


def disable(chat_id: int, code: str) -> bool:
    """Nothing is sent there by schedule from now on."""
    rows = Chat.objects.filter(pk=chat_id, disabled=False)
    disabled = rows.update(disabled=True, disabled_reason=code, disabled_at=timezone.now())
    if disabled:
        log.warning("chat %s is disabled: %s", chat_id, code)
    return bool(disabled)


@transaction.atomic
def follow(old_id: int, new_id: int) -> None:
    """A group has become a supergroup: what it had is the supergroup's. The two rows of a time both had stay one."""
    if old_id == new_id:
        return
    old, _ = Chat.objects.get_or_create(pk=old_id)
    if old.migrated_to == new_id:
        return
    kept = {"language": old.language, "favourites": old.favourites, "zone": old.zone}
    new, made = Chat.objects.get_or_create(pk=new_id, defaults=kept)
    if not made:
        _inherit(new, kept)
    times = set(new.subscriptions.values_list("at", "zone"))
    for subscription in Subscription.objects.filter(chat=old):
        if (subscription.at, subscription.zone) in times:
            subscription.delete()
    Subscription.objects.filter(chat=old).update(chat=new)
    Alert.objects.filter(chat=old).update(chat=new)
    Chat.objects.filter(pk=old_id).update(migrated_to=new_id)
    log.info("chat %s is now %s", old_id, new_id)


def _inherit(new: Chat, kept: dict[str, Any]) -> None:
    """What was chosen in the group, and not in the supergroup. Telegram tells both of the move at once, and whichever
    update of the supergroup's is first makes its row."""
    young, unchosen = timezone.now() - new.created_at < YOUNG, Chat()
    taken = {
        name: value
        for name, value in kept.items()
        if value != getattr(unchosen, name) and (young or getattr(new, name) == getattr(unchosen, name))
    }
    if taken:
        Chat.objects.filter(pk=new.pk).update(**taken)


def toggle_favourite(chat_id: int, char_code: str) -> list[str]:
    """Put a currency on the chat's list or take it off; returns the list. Beyond MOST_FAVOURITES none is added."""
    with transaction.atomic():
        chat = Chat.objects.select_for_update().get(pk=chat_id)
        if char_code in chat.favourites:
            chat.favourites.remove(char_code)
        elif len(chat.favourites) < MOST_FAVOURITES:
            chat.favourites.append(char_code)
        chat.save(update_fields=["favourites"])
    return chat.favourites


def speak(chat_id: int, language: str) -> None:
    """From now on the chat is told everything in this language."""
    Chat.objects.filter(pk=chat_id).update(language=language)


def stop(chat_id: int) -> int:
    """Take all of a chat's digests and alerts away; returns how many those were."""
    with transaction.atomic():
        digests, _ = Subscription.objects.filter(chat_id=chat_id).delete()
        alerts, _ = Alert.objects.filter(chat_id=chat_id).delete()
    return digests + alerts
