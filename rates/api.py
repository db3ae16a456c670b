"""Rates and currencies for reading: /api/v1/rates/ and /api/v1/currencies/."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from rates import store
from rates.models import Currency, Rate
from rates.money import plain


class RateSerializer(serializers.ModelSerializer[Rate]):
    """Numbers are exact decimal strings."""

    char_code = serializers.CharField(source="currency.char_code", read_only=True)
    num_code = serializers.CharField(source="currency.num_code", read_only=True)
    name = serializers.CharField(source="currency.name", read_only=True)
    value = serializers.SerializerMethodField(help_text="Roubles for `nominal` units.")
    unit_value = serializers.CharField(read_only=True, help_text="Roubles for one unit.")

    class Meta:
        model = Rate
        fields = ["char_code", "num_code", "name", "nominal", "value", "unit_value", "date"]

    def get_value(self, rate: Rate) -> str:
        return plain(rate.value)


class CurrencySerializer(serializers.ModelSerializer[Currency]):
    class Meta:
        model = Currency
        fields = ["char_code", "num_code", "cbr_id", "name", "name_en"]


class RateFilter(django_filters.FilterSet):
    date = django_filters.DateFilter(help_text="The day that the sheet is for; without it, the newest sheet.")

    class Meta:
        model = Rate
        fields = ["date"]


class RateViewSet(viewsets.ReadOnlyModelViewSet[Rate]):
    serializer_class = RateSerializer
    queryset = Rate.objects.select_related("currency").order_by("currency__char_code")
    lookup_field = "currency__char_code"
    lookup_url_kwarg = "char_code"
    filterset_class = RateFilter


class CurrencyViewSet(viewsets.ReadOnlyModelViewSet[Currency]):
    serializer_class = CurrencySerializer
    queryset = Currency.objects.all()
    lookup_field = "char_code"
