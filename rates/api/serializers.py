"""What the addresses of rates answer. Amounts are exact decimal strings, without exponent."""

import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from rates.changes import RateChange
from rates.conversion import Conversion, Leg
from rates.models import Currency, Rate
from rates.money import plain


def exact(value: Decimal | None) -> str | None:
    """Without exponent and without zeros at the end."""
    if value is None:
        return None
    return f"{value.normalize() if value else Decimal(0):f}"


class RateSerializer(serializers.ModelSerializer[Rate]):
    """Needs in its context `newest`, the date of the only fresh sheet, and `asked`, the day asked for."""

    char_code = serializers.CharField(source="currency.char_code", read_only=True)
    num_code = serializers.CharField(source="currency.num_code", read_only=True)
    name = serializers.CharField(source="display_name", read_only=True)
    value = serializers.SerializerMethodField("exact_value", help_text="Roubles for `nominal` units.")
    unit_value = serializers.CharField(read_only=True, help_text="Roubles for one unit.")
    date = serializers.DateField(read_only=True, help_text="The day that the sheet is for.")
    fresh = serializers.SerializerMethodField(
        help_text="The Bank of Russia, asked lately, has no newer sheet than this."
    )
    # Not read_only: that would be required, as OpenAPI has it.
    effective_date = serializers.DateField(
        required=False,
        help_text="Only where the asked day has no sheet of its own: the day of the one that is in force.",
    )

    class Meta:
        model = Rate
        fields = ["char_code", "num_code", "name", "nominal", "value", "unit_value", "date", "fresh", "effective_date"]

    def exact_value(self, rate: Rate) -> str:
        return plain(rate.value)

    def get_fresh(self, rate: Rate) -> bool:
        return rate.date == self.context.get("newest")

    def to_representation(self, instance: Rate) -> dict[str, Any]:
        asked = self.context.get("asked")
        data = super().to_representation(instance)
        if asked and asked != instance.date:
            data["effective_date"] = instance.date.isoformat()
        return data


class ChangeSerializer(serializers.Serializer[RateChange]):
    """Against the published sheet before, of one unit: a new nominal is no jump."""

    previous_date = serializers.DateField(allow_null=True, help_text="Null where there is none, as all of `change`.")
    absolute = serializers.SerializerMethodField(help_text="Roubles for one unit, exact.")
    percent = serializers.SerializerMethodField(help_text="Rounded half to even to four places.")

    def get_absolute(self, change: RateChange) -> str | None:
        return exact(change.absolute)

    def get_percent(self, change: RateChange) -> str | None:
        return None if change.percent is None else f"{change.percent:f}"


class RateDetailSerializer(RateSerializer):
    change = serializers.SerializerMethodField()

    class Meta(RateSerializer.Meta):
        fields = [*RateSerializer.Meta.fields, "change"]

    @extend_schema_field(ChangeSerializer)
    def get_change(self, rate: Rate) -> dict[str, Any]:
        return dict(ChangeSerializer(self.context["change"]).data)


class CurrencySerializer(serializers.ModelSerializer[Currency]):
    nominal = serializers.IntegerField(read_only=True, allow_null=True, help_text="Of its last stored rate.")
    first_date = serializers.DateField(read_only=True, allow_null=True, help_text="Of its first stored rate.")
    last_date = serializers.DateField(read_only=True, allow_null=True, help_text="Of its last stored rate.")

    class Meta:
        model = Currency
        fields = ["char_code", "num_code", "cbr_id", "name", "name_en", "nominal", "first_date", "last_date"]


class LegSerializer(serializers.Serializer[Leg]):
    char_code = serializers.CharField()
    nominal = serializers.IntegerField()
    value = serializers.SerializerMethodField("exact_value", help_text="Roubles for `nominal` units.")
    unit_value = serializers.SerializerMethodField("exact_unit", help_text="Roubles for one unit.")

    def exact_value(self, leg: Leg) -> str:
        return plain(leg.value)

    def exact_unit(self, leg: Leg) -> str:
        return f"{leg.unit_value:f}"


class ConversionSerializer(serializers.Serializer[Conversion]):
    amount = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField(
        help_text="Worked out exactly and rounded once, at the end: half to even, to twelve places."
    )
    date = serializers.DateField(help_text="The day of the sheet whose rates were used.")
    asked_date = serializers.SerializerMethodField(help_text="The day asked for, null for the newest sheet.")
    source_rate = LegSerializer(allow_null=True, help_text="Of `from`; null for RUB.")
    target_rate = LegSerializer(allow_null=True, help_text="Of `to`; null for RUB.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of Python's.
        names = {"from": serializers.CharField(source="source"), "to": serializers.CharField(source="target")}
        return {**names, **super().get_fields()}

    def get_amount(self, conversion: Conversion) -> str | None:
        return exact(conversion.amount)

    def get_result(self, conversion: Conversion) -> str | None:
        return exact(conversion.result)

    def get_asked_date(self, conversion: Conversion) -> datetime.date | None:
        return self.context.get("asked")


class PointSerializer(serializers.Serializer[Any]):
    """With `group=day`; else `GroupSerializer`'s fields."""

    date = serializers.DateField(help_text="The day that the sheet is for.")
    nominal = serializers.IntegerField()
    value = serializers.CharField(help_text="Roubles for `nominal` units.")
    unit_value = serializers.CharField(help_text="Roubles for one unit.")


class GroupSerializer(serializers.Serializer[Any]):
    """A week or month of unit rates, roubles for one unit."""

    period = serializers.CharField(help_text="2026-W10 or 2026-03.")
    first_date = serializers.DateField()
    last_date = serializers.DateField()
    days = serializers.IntegerField(help_text="How many published rates it has.")
    first = serializers.CharField()
    last = serializers.CharField()
    low = serializers.CharField()
    high = serializers.CharField()
    average = serializers.CharField(help_text="Of the published rates, rounded half to even to ten places.")


class StatusSerializer(serializers.Serializer[Any]):
    newest_date = serializers.DateField(allow_null=True, help_text="The day of the newest stored sheet.")
    age_days = serializers.IntegerField(allow_null=True, help_text="Its age in days; -1 where it is tomorrow's.")
    fresh = serializers.BooleanField(help_text="The Bank, asked lately, has no newer one.")
    asked_at = serializers.DateTimeField(allow_null=True, help_text="When the Bank was last asked for it.")
    answered_at = serializers.DateTimeField(allow_null=True, help_text="When it last answered.")
    error = serializers.CharField(allow_blank=True, help_text="Of the last question; empty where it was answered.")
    missed = serializers.ListField(
        child=serializers.DateField(), help_text="Sheets of the last 30 days that were due and aren't stored."
    )
    next_publication = serializers.DateTimeField(help_text="When the next sheet is expected.")
