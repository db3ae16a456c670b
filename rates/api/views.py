"""The addresses of the sheets, one currency, its conversion, the currencies and the state of it all."""

import datetime
from typing import Any

from django import forms
from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from rates import status, store
from rates.api.base import RatesView
from rates.api.errors import Missing
from rates.api.queries import CodeField, ConvertQuery, DayQuery, Query, SheetQuery
from rates.api.serializers import (
    ConversionSerializer,
    CurrencySerializer,
    RateDetailSerializer,
    RateSerializer,
    StatusSerializer,
)
from rates.changes import with_changes
from rates.conversion import NoRate, convert
from rates.force import rates_in_force, sheet_date
from rates.models import Currency, Rate

BAD = OpenApiResponse(
    inline_serializer(
        "BadParameters",
        {"code": serializers.ChoiceField(["bad_parameters"]), "detail": serializers.CharField()},
    ),
    "`bad_parameters`; beside these two, the errors of each parameter as a list under its name.",
)
NOT_THERE = OpenApiResponse(
    inline_serializer(
        "NotThere",
        {
            "code": serializers.ChoiceField(
                ["no_sheet", "no_rate", "unknown_codes", "unknown_currency", "no_page", "not_found"]
            ),
            "detail": serializers.CharField(),
            "codes": serializers.ListField(child=serializers.CharField(), required=False),
        },
    ),
    "`no_sheet`: none is in force on that day; `unknown_codes`, `no_rate`: it lacks these, or this one; "
    "`unknown_currency`: no stored sheet has or had it; `not_found`: a code has three Latin letters.",
)
CODE = OpenApiParameter("char_code", CodeField.schema, "path", description="Three letters of either case: USD.")


def parameters(query: type[Query]) -> list[OpenApiParameter]:
    """The OpenAPI form of what a query takes, without its format."""
    return [
        OpenApiParameter(name, schema_of(field), description=str(field.help_text), required=field.required)
        for name, field in query.parameters.items()
    ]


def schema_of(field: Any) -> dict[str, Any]:
    """What a field takes, in OpenAPI's words."""
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        return {"type": "string", "enum": [value for value, _ in choices if value]}
    if isinstance(field, forms.IntegerField):
        return {"type": "integer", "minimum": field.min_value, "maximum": field.max_value}
    return dict(field.schema)


class RateViewSet(RatesView, ViewSet):
    """The official rates of the Bank of Russia: the newest stored sheet, or with `?date=` the one in force that day.

    The Bank is not asked for it; `fresh` tells whether it lately confirmed that this is its newest sheet.
    """

    lookup_url_kwarg = "char_code"
    lookup_value_regex = "[A-Za-z]{3}"
    query_form: type[Query] = SheetQuery

    @extend_schema(
        summary="The rates of one sheet",
        parameters=parameters(SheetQuery),
        responses={200: RateSerializer(many=True), 400: BAD, 404: NOT_THERE},
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        query = self.query()
        asked, codes = query["date"], query["codes"]
        rates = rates_in_force(asked, codes)
        missing = set(codes or ()) - {rate.currency.char_code for rate in rates}
        if not rates and (codes is None or sheet_date(asked) is None):
            raise Missing("no_sheet", f"No sheet is stored{for_day(asked)}.")
        if missing:
            # No list is silently shorter.
            unknown = sorted(missing)
            raise Missing("unknown_codes", f"No rate of {', '.join(unknown)}{for_day(asked)}.", codes=unknown)
        return Response(RateSerializer(rates, many=True, context=context(asked)).data)

    @extend_schema(
        summary="The rate of one currency, and how it has changed",
        parameters=[CODE, *parameters(DayQuery)],
        responses={200: RateDetailSerializer, 400: BAD, 404: NOT_THERE},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.query_form = DayQuery
        asked, code = self.query()["date"], kwargs["char_code"].upper()
        changes = with_changes(asked, [code])
        if not changes:
            raise Missing("no_rate", f"No rate of {code} is stored{for_day(asked)}.")
        serializer = RateDetailSerializer(changes[0].rate, context={**context(asked), "change": changes[0]})
        return Response(serializer.data)


def context(asked: datetime.date | None) -> dict[str, Any]:
    """What the serializers of rates need."""
    return {"newest": store.newest_stored_date() if store.is_fresh() else None, "asked": asked}


def for_day(day: datetime.date | None) -> str:
    """The end of a sentence that says what is missing."""
    return f" for {day}" if day else ""


class CurrencyViewSet(RatesView, ViewSet):
    """The currencies by their three-letter codes, with Russian and English names, and what is stored of them."""

    lookup_url_kwarg = "char_code"
    lookup_value_regex = "[A-Za-z]{3}"

    def get_queryset(self) -> QuerySet[Currency]:
        rates = Rate.objects.filter(currency=OuterRef("pk")).order_by("-date")
        return Currency.objects.annotate(
            nominal=Subquery(rates.values("nominal")[:1]),
            first_date=Subquery(rates.reverse().values("date")[:1]),
            last_date=Subquery(rates.values("date")[:1]),
        )

    @extend_schema(
        summary="All currencies that a stored sheet has or had", responses={200: CurrencySerializer(many=True)}
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(CurrencySerializer(self.get_queryset(), many=True).data)

    @extend_schema(summary="One currency", parameters=[CODE], responses={200: CurrencySerializer, 404: NOT_THERE})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        code = kwargs["char_code"].upper()
        currency = self.get_queryset().filter(char_code=code).first()
        if currency is None:
            raise Missing("unknown_currency", f"No stored sheet has or had {code}.")
        return Response(CurrencySerializer(currency).data)


class ConvertView(RatesView):
    """An amount of one currency in another, the rouble (RUB) included, at the rates of one sheet.

    The result is worked out exactly and rounded once, at the end: half to even, to twelve places. So amounts in
    roubles are exact.
    """

    query_form = ConvertQuery
    # Every amount is another answer, and each is quickly made.
    kept = False

    @extend_schema(
        summary="Convert an amount",
        parameters=parameters(ConvertQuery),
        responses={200: ConversionSerializer, 400: BAD, 404: NOT_THERE},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        query = self.query()
        try:
            found = convert(query["amount"], query["from"], query["to"], query["date"])
        except NoRate as error:
            raise Missing("no_rate", str(error)) from error
        return Response(ConversionSerializer(found, context={"asked": query["date"]}).data)


class StatusView(RatesView):
    """How old the rates are, when the Bank was asked, what is missing, when the next sheet is expected."""

    kept = False

    @extend_schema(summary="The state of the rates", responses={200: StatusSerializer})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = StatusSerializer({**_as_dict(status.status()), "fresh": store.is_fresh()})
        return Response(found.data, headers={"Cache-Control": "no-store"})


def _as_dict(found: status.Status) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__slots__}
