"""The addresses of a currency's history: its points as JSON or CSV, by days, weeks or months, and as a chart."""

import datetime
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from rates import schedule, store
from rates.api.base import Page, RatesView
from rates.api.errors import Missing
from rates.api.groups import rows
from rates.api.queries import ChartQuery, HistoryQuery
from rates.api.renderers import CsvRenderer
from rates.api.serializers import GroupSerializer, PointSerializer
from rates.api.views import BAD, CODE, NOT_THERE, parameters
from rates.cbr import CbrUnavailable
from rates.charts import Kind, chart
from rates.models import Currency
from rates.points import Point, points

PAGE_SIZE = 366
# Without a first day.
MONTH_DAYS = 30
COLUMNS = {"day": list(PointSerializer().fields), "group": list(GroupSerializer().fields)}
INCOMPLETE = OpenApiParameter(
    "Rates-Incomplete",
    str,
    "header",
    response=[200],
    description="`cbr_unavailable`: days are missing, the Bank can't be asked for them now.",
)


class HistoryOf(RatesView):
    """What the addresses of a currency's history share."""

    def currency(self) -> Currency:
        """Raises Missing."""
        code = self.kwargs["char_code"].upper()
        found = Currency.objects.filter(char_code=code).first()
        if found is None:
            raise Missing("unknown_currency", f"No stored sheet has or had {code}.")
        return found

    def points(self, currency: Currency, query: dict[str, Any]) -> tuple[list[Point], bool]:
        """The points of the range that `query` asks for, and whether all of them are there."""
        try:
            return points(currency.char_code, query["from"], query["to"], fetch=True), True
        except CbrUnavailable:
            return points(currency.char_code, query["from"], query["to"]), False

    def query(self) -> dict[str, Any]:
        """With both ends of the range."""
        query = super().query()
        today = schedule.today(timezone.now())
        start, end = query["from"], query["to"]
        if end is None:
            end = max(start or today, today, store.newest_stored_date() or today)
        if start is None:
            start = datetime.date.fromordinal(max(end.toordinal() - MONTH_DAYS, 1))
        return {**query, "from": start, "to": end}


class HistoryView(HistoryOf):
    """The rates of one currency, oldest first: days that nobody has asked for yet are asked of the Bank, once.

    Where the Bank can't be asked, what is stored is told, `complete` is false, and the answer may not be cached.
    """

    query_form = HistoryQuery
    renderer_classes = [JSONRenderer, CsvRenderer, Page]

    @extend_schema(
        summary="The history of one currency",
        parameters=[
            CODE,
            *parameters(HistoryQuery),
            OpenApiParameter("format", str, enum=["json", "csv"], description="As `Accept` says: JSON or CSV."),
            INCOMPLETE,
        ],
        responses={
            (200, "application/json"): inline_serializer(
                "History",
                {
                    "char_code": serializers.CharField(),
                    "from": serializers.DateField(),
                    "to": serializers.DateField(),
                    "group": serializers.ChoiceField(["day", "week", "month"]),
                    "complete": serializers.BooleanField(),
                    "incomplete_reason": serializers.ChoiceField(["cbr_unavailable"], allow_null=True),
                    "count": serializers.IntegerField(help_text="Lines of all pages."),
                    "next": serializers.URLField(allow_null=True),
                    "previous": serializers.URLField(allow_null=True),
                    "columns": serializers.ListField(child=serializers.CharField()),
                    "results": PolymorphicProxySerializer(
                        "HistoryLine", [PointSerializer, GroupSerializer], resource_type_field_name=None, many=True
                    ),
                },
            ),
            (200, "text/csv"): OpenApiTypes.STR,
            400: BAD,
            404: NOT_THERE,
        },
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        currency, query = self.currency(), self.query()
        found, complete = self.points(currency, query)
        group = query["group"] or "day"
        lines = rows(found, group)
        size, page = query["page_size"] or PAGE_SIZE, query["page"] or 1
        if page > 1 and (page - 1) * size >= len(lines):
            raise Missing("no_page", f"There is no page {page}.")
        following = _page(request, page + 1) if page * size < len(lines) else None
        previous = _page(request, page - 1) if page > 1 else None
        data = {
            "char_code": currency.char_code,
            "from": query["from"],
            "to": query["to"],
            "group": group,
            "complete": complete,
            "incomplete_reason": None if complete else "cbr_unavailable",
            "count": len(lines),
            "next": following,
            "previous": previous,
            "columns": COLUMNS["day" if group == "day" else "group"],
            "results": lines[(page - 1) * size : page * size],
        }
        return Response(data, headers=_headers(complete, {"next": following, "prev": previous}))


class ChartView(HistoryOf):
    """The history of one currency as a picture, which depends on the parameters only."""

    query_form = ChartQuery
    kind: Kind = "svg"

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        currency, query = self.currency(), self.query()
        found, complete = self.points(currency, query)
        name = currency.name_en or currency.name if query["lang"] == "en" else currency.name
        picture = chart(
            found,
            title=f"{name} ({currency.char_code})",
            kind=self.kind,
            language=query["lang"] or "ru",
            dark=query["theme"] == "dark",
        )
        content_type = "image/svg+xml" if self.kind == "svg" else "image/png"
        return HttpResponse(picture, content_type=content_type, headers=_headers(complete, {}))

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A picture has one format, whatever `Accept` prefers; errors are JSON."""
        return JSONRenderer(), "application/json"


def _chart_schema(kind: str, media_type: str) -> Any:
    return extend_schema(
        summary=f"The history of one currency as a picture ({kind.upper()})",
        parameters=[CODE, *parameters(ChartQuery), INCOMPLETE],
        responses={(200, media_type): OpenApiTypes.BINARY, 400: BAD, 404: NOT_THERE},
    )


@extend_schema_view(get=_chart_schema("svg", "image/svg+xml"))
class SvgView(ChartView):
    kind = "svg"


@extend_schema_view(get=_chart_schema("png", "image/png"))
class PngView(ChartView):
    kind = "png"


def _page(request: Request, number: int) -> str:
    return replace_query_param(request.build_absolute_uri(), "page", number)


def _headers(complete: bool, links: dict[str, str | None]) -> dict[str, str]:
    headers = {} if complete else {"Rates-Incomplete": "cbr_unavailable", "Cache-Control": "no-store"}
    told = [f'<{url}>; rel="{rel}"' for rel, url in links.items() if url]
    return {**headers, "Link": ", ".join(told)} if told else headers
