"""The API's view of a rate request."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.reverse import reverse

from notifier.models import RateRequest

CHAR_CODE = re.compile(r"[A-Za-z]{3}")
INTEGER = re.compile(r"-?[0-9]{1,19}")
SIGNED_64 = range(-(2**63), 2**63)
# As many places as the Bank of Russia gives.
PLACES = Decimal("0.0001")


class CharCodeField(serializers.CharField):
    """Three ASCII letters; case and blanks around them don't matter."""

    default_error_messages = {"invalid": "Must be three Latin letters, such as USD."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not CHAR_CODE.fullmatch(data.strip(" \t")):
            self.fail("invalid")
        return data.strip(" \t").upper()


class TelegramIdField(serializers.IntegerField):
    """A non-zero signed 64-bit integer, also as a string of digits (a form's)."""

    default_error_messages = {
        "invalid": "Must be an integer other than 0, of at most 64 bits: a person's id, or a group's (negative)."
    }

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and INTEGER.fullmatch(data.strip(" \t")):
            data = int(data)
        # Exactly int: True is an integer to Python, and 1e3 or 42.0 are no ids.
        if type(data) is not int or data not in SIGNED_64 or data == 0:
            self.fail("invalid")
        return data


class NewRequestSerializer(serializers.Serializer[RateRequest]):
    currency_char_code = CharCodeField(
        help_text="The currency's code at the Bank of Russia, such as USD.", style={"placeholder": "USD"}
    )
    telegram_id = TelegramIdField(
        min_value=SIGNED_64.start,
        max_value=SIGNED_64.stop - 1,
        help_text="Who gets the message: the Telegram id of a person, or of a group (negative).",
    )


class AcceptedSerializer(serializers.ModelSerializer[RateRequest]):
    """The answer to a new request."""

    status_url = serializers.SerializerMethodField()

    class Meta:
        model = RateRequest
        fields = ["id", "status", "status_url"]
        read_only_fields = ["status"]

    def get_status_url(self, row: RateRequest) -> str:
        return reverse("rate-request-detail", args=[row.pk], request=self.context.get("request"))


class TimesSerializer(serializers.ModelSerializer[RateRequest]):
    """When each step began; null where it has not."""

    class Meta:
        model = RateRequest
        fields = ["created_at", "accepted_at", "fetching_at", "notifying_at", "finished_at"]


class DurationsSerializer(serializers.Serializer[RateRequest]):
    """Seconds; null where not known yet. `waiting` is until the rate was first asked for."""

    waiting = serializers.SerializerMethodField()
    fetching = serializers.SerializerMethodField()
    notifying = serializers.SerializerMethodField()
    total = serializers.SerializerMethodField()

    def get_waiting(self, row: RateRequest) -> float | None:
        return seconds(row.accepted_at, row.fetching_at)

    def get_fetching(self, row: RateRequest) -> float | None:
        return seconds(row.fetching_at, row.notifying_at)

    def get_notifying(self, row: RateRequest) -> float | None:
        return seconds(row.notifying_at, row.finished_at)

    def get_total(self, row: RateRequest) -> float | None:
        return seconds(row.accepted_at, row.finished_at)


class ToldRateSerializer(serializers.Serializer[RateRequest]):
    """The rate as it was told, exact decimal strings; `found` is false where the sheet lacks the currency."""

    found = serializers.BooleanField()
    nominal = serializers.IntegerField(allow_null=True)
    value = serializers.SerializerMethodField(method_name="told_value", help_text="Roubles for `nominal` units.")
    unit_value = serializers.SerializerMethodField(help_text="Roubles for one unit.")
    date = serializers.DateField(source="sheet_date", help_text="The sheet's date.")
    fresh = serializers.BooleanField(help_text="False: the Bank of Russia could not be asked.")

    def told_value(self, row: RateRequest) -> str | None:
        return plain(row.value)

    def get_unit_value(self, row: RateRequest) -> str | None:
        return plain(row.value / row.nominal) if row.value and row.nominal else None


class AttemptsSerializer(serializers.ModelSerializer[RateRequest]):
    """How often each step was begun."""

    fetch = serializers.IntegerField(source="fetch_attempts")
    notify = serializers.IntegerField(source="notify_attempts")

    class Meta:
        model = RateRequest
        fields = ["fetch", "notify"]


class ErrorSerializer(serializers.Serializer[RateRequest]):
    """The last error; also while the step is tried again. `code` is stable, `message` is for people."""

    code = serializers.CharField(source="error_code")
    message = serializers.CharField(source="error")


class RateRequestSerializer(AcceptedSerializer):
    """How far a request has got."""

    times = TimesSerializer(source="*", read_only=True)
    durations = DurationsSerializer(source="*", read_only=True)
    rate = ToldRateSerializer(source="told", read_only=True, allow_null=True)
    attempts = AttemptsSerializer(source="*", read_only=True)
    error = ErrorSerializer(source="failure", read_only=True, allow_null=True)

    class Meta(AcceptedSerializer.Meta):
        fields = [
            *["id", "status", "status_url", "currency_char_code", "telegram_id"],
            *["times", "durations", "rate", "text", "attempts", "error"],
        ]
        read_only_fields = fields


def seconds(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None


def plain(value: Decimal | None) -> str | None:
    """All digits, without exponent and with no fewer than four places."""
    if value is None:
        return None
    short = value.normalize()
    return f"{short.quantize(PLACES) if short == short.quantize(PLACES) else short:f}"
