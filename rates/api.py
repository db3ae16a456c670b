"""Rates and currencies for reading: /api/v1/rates/ and /api/v1/currencies/."""

import datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from rates import store
from rates.models import Currency, Rate
from rates.money import plain


class RateSerializer(serializers.ModelSerializer[Rate]):
    """Numbers are exact decimal strings. Needs `newest`, the date of the only fresh sheet, in its context."""

    char_code = serializers.CharField(source="currency.char_code", read_only=True)
    num_code = serializers.CharField(source="currency.num_code", read_only=True)
    name = serializers.CharField(source="display_name", read_only=True)
    value = serializers.SerializerMethodField("exact_value", help_text="Roubles for `nominal` units.")
    unit_value = serializers.CharField(read_only=True, help_text="Roubles for one unit.")
    fresh = serializers.SerializerMethodField(
        help_text="The Bank of Russia, asked lately, has no newer sheet than this."
    )

    class Meta:
        model = Rate
        fields = ["char_code", "num_code", "name", "nominal", "value", "unit_value", "date", "fresh"]

    def exact_value(self, rate: Rate) -> str:
        return plain(rate.value)

    def get_fresh(self, rate: Rate) -> bool:
        return rate.date == self.context.get("newest")


class CurrencySerializer(serializers.ModelSerializer[Currency]):
    class Meta:
        model = Currency
        fields = ["char_code", "num_code", "cbr_id", "name", "name_en"]


class RateFilter(django_filters.FilterSet):
    date = django_filters.DateFilter(
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The day that the sheet is for; without it, the newest sheet.",
    )

    class Meta:
        model = Rate
        fields = ["date"]


NO_SHEET = inline_serializer(
    "NoSheet", {"code": serializers.ChoiceField(["no_sheet", "no_rate"]), "detail": serializers.CharField()}
)
DATE = OpenApiParameter(
    "date", datetime.date, description="The day that the sheet is for; without it, the newest sheet."
)


@extend_schema_view(
    list=extend_schema(
        summary="The rates of one sheet",
        parameters=[DATE],
        responses={200: RateSerializer(many=True), 404: NO_SHEET},
    ),
    retrieve=extend_schema(
        summary="The rate of one currency", parameters=[DATE], responses={200: RateSerializer, 404: NO_SHEET}
    ),
)
class RateViewSet(viewsets.ReadOnlyModelViewSet[Rate]):
    """The official rates of the Bank of Russia: the newest stored sheet, or with `?date=` that day's.

    The Bank is not asked for it; `fresh` tells whether it lately confirmed that this is its newest sheet.
    """

    serializer_class = RateSerializer
    queryset = Rate.objects.select_related("currency").order_by("currency__char_code")
    lookup_field = "currency__char_code"
    lookup_url_kwarg = "char_code"
    lookup_value_regex = "[A-Za-z]{3}"
    filterset_class = RateFilter
    pagination_class = None

    def get_queryset(self) -> QuerySet[Rate]:
        if self.request.query_params.get("date"):
            return super().get_queryset()
        return store.rates_on(store.newest_stored_date())

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rates = self.filter_queryset(self.get_queryset())
        if not rates:
            raise NotFound({"code": "no_sheet", "detail": f"No sheet is stored{_for_day(request)}."})
        return Response(self.get_serializer(rates, many=True).data)

    def get_object(self) -> Rate:
        code = self.kwargs["char_code"].upper()
        rate = self.filter_queryset(self.get_queryset()).filter(currency__char_code=code).first()
        if rate is None:
            raise NotFound({"code": "no_rate", "detail": f"No rate of {code} is stored{_for_day(self.request)}."})
        return rate

    def get_serializer_context(self) -> dict[str, Any]:
        newest = store.newest_stored_date() if store.is_fresh() else None
        return {**super().get_serializer_context(), "newest": newest}


def _for_day(request: Request) -> str:
    date = request.query_params.get("date")
    return f" for {date}" if date else ""


@extend_schema_view(
    list=extend_schema(summary="All currencies that a stored sheet has or had"),
    retrieve=extend_schema(summary="One currency"),
)
class CurrencyViewSet(viewsets.ReadOnlyModelViewSet[Currency]):
    """The currencies by their three-letter codes, with Russian and English names."""

    serializer_class = CurrencySerializer
    queryset = Currency.objects.all()
    lookup_field = "char_code"
    lookup_value_regex = "[A-Z]{3}"
    pagination_class = None
