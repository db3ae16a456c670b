"""The filters of the list of rate requests."""

import datetime as dt

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet

from notifier.models import RateRequest
from notifier.serializers import SIGNED_64

# Beyond these no request is, and not every database could be asked.
FIRST, LAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
SOME_TIME = [MinValueValidator(FIRST), MaxValueValidator(LAST)]


class TelegramIdFormField(forms.IntegerField):
    def __init__(self, **options: object) -> None:
        super().__init__(min_value=SIGNED_64.start, max_value=SIGNED_64.stop - 1, **options)  # type: ignore[arg-type]


class TelegramIdFilter(django_filters.NumberFilter):
    field_class = TelegramIdFormField


class RateRequestFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(
        choices=RateRequest.Status.choices, help_text="One or, given again, several."
    )
    currency = django_filters.CharFilter("currency_char_code", method="of_currency", help_text="Such as USD.")
    telegram_id = TelegramIdFilter(help_text="Who gets the message.")
    error_code = django_filters.CharFilter(help_text="`error.code`, such as blocked.")
    created_after = django_filters.IsoDateTimeFilter(
        "created_at", "gte", validators=SOME_TIME, help_text="This time or later; ISO 8601, UTC without an offset."
    )
    created_before = django_filters.IsoDateTimeFilter(
        "created_at", "lt", validators=SOME_TIME, help_text="Before this time."
    )

    class Meta:
        model = RateRequest
        fields: list[str] = []

    def of_currency(self, rows: QuerySet[RateRequest], name: str, code: str) -> QuerySet[RateRequest]:
        return rows.filter(**{name: code.upper()})
