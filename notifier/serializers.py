"""The API's view of a rate request."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from notifier import addresses, rights
from notifier.models import RateRequest

CHAR_CODE = re.compile(r"[A-Za-z]{3}")
INTEGER = re.compile(r"-?[0-9]{1,19}")
SIGNED_64 = range(-(2**63), 2**63)
# As many places as the Bank of Russia gives.
PLACES = Decimal("0.0001")
MAX_BATCH = 100
# Instead of a Telegram id, for those who have no right to it.
MASK = "…"


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z]{3}$"})
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


class WebhookField(serializers.CharField):
    """An address that a webhook may go to, as far as that can be told without resolving its name."""

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        try:
            addresses.split(url)
        except addresses.Forbidden as error:
            raise serializers.ValidationError(str(error)) from None
        return url


class NewRequestSerializer(serializers.Serializer[RateRequest]):
    """Where the rate is told is exactly one of `telegram_id` and `webhook_url`."""

    currency_char_code = CharCodeField(
        help_text="The currency's code at the Bank of Russia, such as USD.", style={"placeholder": "USD"}
    )
    telegram_id = TelegramIdField(
        min_value=SIGNED_64.start,
        max_value=SIGNED_64.stop - 1,
        required=False,
        help_text="Who gets the message: the Telegram id of a person, or of a group (negative).",
    )
    webhook_url = WebhookField(
        required=False,
        max_length=2000,
        help_text="Instead of a Telegram id, with a token only: the https address that gets a signed POST.",
        style={"placeholder": "https://example.org/rates"},
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """An empty field of a form is none. Without either of the two, `telegram_id` is what is missing."""
        given = {name: data[name] for name in data if not (name == "webhook_url" and data[name] in ("", None))}
        self.fields["telegram_id"].required = "webhook_url" not in given
        if given.get("telegram_id") == "" and "webhook_url" in given:
            del given["telegram_id"]
        return dict(super().to_internal_value(given))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"telegram_id", "webhook_url"} & set(attrs)) > 1:
            raise serializers.ValidationError({"webhook_url": ["Give either a telegram_id or a webhook_url."]})
        return attrs


class NewBatchSerializer(serializers.Serializer[RateRequest]):
    """One currency for many: all of them are accepted, or none is."""

    currency_char_code = CharCodeField(help_text="The currency's code at the Bank of Russia, such as USD.")
    telegram_ids = serializers.ListField(
        child=TelegramIdField(min_value=SIGNED_64.start, max_value=SIGNED_64.stop - 1),
        min_length=1,
        max_length=MAX_BATCH,
        help_text=f"Who gets the message: up to {MAX_BATCH} Telegram ids, each once.",
    )

    def validate_telegram_ids(self, ids: list[int]) -> list[int]:
        repeated: dict[Any, Any] = {place: ["Is here twice."] for place, one in enumerate(ids) if one in ids[:place]}
        if repeated:
            raise serializers.ValidationError(repeated)
        return ids

    @property
    def flat_errors(self) -> dict[str, list[str]]:
        """All 400s have one form: what is wrong with the fourth id is under `telegram_ids.3`."""
        flat: dict[str, list[str]] = {}
        for name, errors in self.errors.items():
            if isinstance(errors, dict):
                flat |= {f"{name}.{place}": messages for place, messages in errors.items()}
            else:
                flat[name] = errors
        return flat


class AcceptedSerializer(serializers.ModelSerializer[RateRequest]):
    """The answer to a new request."""

    status_url = serializers.SerializerMethodField()

    class Meta:
        model = RateRequest
        fields = ["id", "status", "status_url"]
        read_only_fields = ["status"]

    def get_status_url(self, row: RateRequest) -> str:
        return reverse("rate-request-detail", args=[row.pk], request=self.context.get("request"))


class AcceptedRecipientSerializer(AcceptedSerializer):
    """One of a batch."""

    class Meta(AcceptedSerializer.Meta):
        fields = [*AcceptedSerializer.Meta.fields, "telegram_id"]
        extra_kwargs = {"telegram_id": {"allow_null": False}}


class AcceptedBatchSerializer(serializers.Serializer[Any]):
    """In the order of the ids."""

    requests = AcceptedRecipientSerializer(many=True)


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
    telegram_id = serializers.SerializerMethodField()
    webhook_url = serializers.SerializerMethodField()
    text = serializers.SerializerMethodField(help_text="Empty until it is sent; null for those who may not read it.")

    class Meta(AcceptedSerializer.Meta):
        fields = [
            *["id", "status", "status_url", "currency_char_code", "telegram_id", "webhook_url"],
            *["times", "durations", "rate", "text", "attempts", "error"],
        ]
        read_only_fields = fields

    @extend_schema_field(
        {
            "oneOf": [{"type": "integer", "format": "int64"}, {"type": "string", "enum": [MASK]}],
            "nullable": True,
            "description": f'"{MASK}" for those who may not read it; null where the rate goes to a webhook.',
        }
    )
    def get_telegram_id(self, row: RateRequest) -> int | str | None:
        return row.telegram_id if row.telegram_id is None or self._may_read(row) else MASK

    @extend_schema_field(
        {
            "type": "string",
            "nullable": True,
            "description": f'"{MASK}" for those who may not read it; null where the rate goes to a Telegram id.',
        }
    )
    def get_webhook_url(self, row: RateRequest) -> str | None:
        return (row.webhook_url if self._may_read(row) else MASK) if row.webhook_url else None

    def get_text(self, row: RateRequest) -> str | None:
        return row.text if self._may_read(row) else None

    def _may_read(self, row: RateRequest) -> bool:
        return rights.may_read(self.context["request"], row)


def seconds(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None


def plain(value: Decimal | None) -> str | None:
    """All digits, without exponent and with no fewer than four places."""
    if value is None:
        return None
    short = value.normalize()
    return f"{short.quantize(PLACES) if short == short.quantize(PLACES) else short:f}"
