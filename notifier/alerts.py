"""Alerts: when one fires, and when it may again.

    USD > 95   fires when the rate is above 95, once; armed again when it has gone back to 95 or below
    USD < 90   fires when the rate is below 90, once; armed again when it has gone back to 90 or above
    USD ±2%    fires when the rate is more than 2 % away from what it was when the alert was made or last fired,
               and goes on from the new rate

An alert over whose line the rate is already when it is made isn't armed: it waits until the rate has gone back.
All is looked at on the newest stored sheet, for one unit of a currency.
"""

import logging
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from notifier import chats, messages, texts
from notifier.models import Alert, Chat, Message
from rates.changes import RateChange, with_changes

log = logging.getLogger(__name__)

# Of one chat.
MOST = 20
Kind = Alert.Kind
PLACES = Decimal("0.000000001")


class TooMany(Exception):
    """The chat has as many as it may have."""


class NoSuchRate(Exception):
    """The newest sheet lacks the currency."""


def unit(change: RateChange) -> Decimal:
    return Decimal(change.rate.unit_value)


def lines(kind: str, threshold: Decimal, rate: Decimal) -> dict[str, Decimal | None]:
    """The rates beyond which an alert fires, from the rate of now."""
    if kind == Kind.CHANGE:
        distance = rate * threshold / 100
        # Away from the rate: of a rial's tiny change both would be the same number, if not on the rate's wrong side.
        low, high = (rate - distance).quantize(PLACES, ROUND_FLOOR), (rate + distance).quantize(PLACES, ROUND_CEILING)
        return {"low": low, "high": high}
    return {"low": threshold if kind == Kind.BELOW else None, "high": threshold if kind == Kind.ABOVE else None}


def add(chat: Chat, char_code: str, kind: str, threshold: Decimal) -> tuple[Alert, Decimal]:
    """A new alert (or the equal one that there is) and the rate of now. Raises TooMany, NoSuchRate."""
    found = with_changes(codes=[char_code])
    if not found:
        raise NoSuchRate
    rate = unit(found[0])
    same = Alert.objects.filter(chat=chat, char_code=char_code, kind=kind, threshold=threshold).first()
    if same and kind != Kind.CHANGE:
        return same, rate
    if Alert.objects.filter(chat=chat).count() >= MOST:
        raise TooMany
    alert = Alert(chat=chat, char_code=char_code, kind=kind, threshold=threshold, **lines(kind, threshold, rate))
    alert.armed = not beyond(alert, rate)
    alert.save()
    return alert, rate


def beyond(alert: Alert, rate: Decimal) -> bool:
    """Whether the rate is over one of the alert's lines."""
    return (alert.high is not None and rate > alert.high) or (alert.low is not None and rate < alert.low)


def send_due(batch: int) -> int:
    """Arm what has gone back, then fire what is over its line; returns how many messages that made."""
    codes = sorted(set(Alert.objects.order_by().values_list("char_code", flat=True)))
    changes = with_changes(codes=codes) if codes else []
    return sum(_send_currency(change, batch) for change in changes)


def _send_currency(change: RateChange, batch: int) -> int:
    rate, code = unit(change), change.rate.currency.char_code
    over = Q(high__lt=rate) | Q(low__gt=rate)
    alerts = Alert.objects.filter(char_code=code)
    # Written out: a row's missing line compares as unknown, which isn't false in SQL.
    back = (Q(high=None) | Q(high__gte=rate)) & (Q(low=None) | Q(low__lte=rate))
    alerts.filter(back, armed=False).update(armed=True)
    firing = alerts.filter(over, armed=True, chat__disabled=False).select_related("chat").order_by("pk")[:batch]
    return sum(_fire_apart(alert, change) for alert in firing if beyond(alert, rate))


def _fire_apart(alert: Alert, change: RateChange) -> bool:
    """Whatever the database has against one alert, the others fire."""
    try:
        return fire(alert, change)
    except (DataError, IntegrityError):
        log.exception("alert %s of chat %s can't fire", alert.pk, alert.chat_id)
        return False


@transaction.atomic
def fire(alert: Alert, change: RateChange) -> bool:
    """Claim one alert and write its message, both or neither. False where another was faster."""
    rate = unit(change)
    claimed = Alert.objects.filter(pk=alert.pk, armed=True, fires=alert.fires).update(
        armed=alert.kind == Kind.CHANGE,
        fires=F("fires") + 1,
        fired_at=timezone.now(),
        **(lines(alert.kind, alert.threshold, rate) if alert.kind == Kind.CHANGE else {}),
    )
    if not claimed:
        return False
    with texts.speaking(chats.language_of(alert.chat)):
        text = texts.render(
            "bot/alert_fired",
            what=texts.alert(alert),
            char_code=alert.char_code,
            rate=texts.number(rate),
            date=texts.date(change.rate.date),
            kind=alert.kind,
        )
    messages.write(Message.Kind.ALERT, f"alert:{alert.pk}:{alert.fires}", alert.chat_id, text)
    return True
