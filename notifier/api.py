"""The API of rate requests: ask for one, and see how far it is."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from notifier import bodies, dispatch
from notifier.backlog import backlog
from notifier.models import RateRequest
from notifier.serializers import AcceptedSerializer, NewRequestSerializer, RateRequestSerializer

EXAMPLE_ID = "0d5be5d5-9bd3-4c68-a0b7-6a6fd8b5a3f1"
EXAMPLE_URL = f"http://localhost:8000/api/v1/rate-requests/{EXAMPLE_ID}/"
NOTE = "POST here to ask for a rate. The newest requests are listed for signed-in staff only."


class NewestFirst(CursorPagination):
    ordering = "-created_at"
    page_size = 25


class RateRequestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RateRequest]):
    """Ask for the rate of a currency: it is sent to a Telegram id.

    POST {"currency_char_code": "USD", "telegram_id": 42} answers 202 with the address that tells how far the
    request is: accepted, fetching, notifying, then delivered or failed.
    """

    queryset = RateRequest.objects.all()
    pagination_class = NewestFirst
    filter_backends = []
    # Anyone may ask; a session only opens the list, and then asks for the CSRF token.
    authentication_classes = [SessionAuthentication]
    parser_classes = [bodies.JSONParser, bodies.FormParser, bodies.MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        bodies.check_size(request)
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        """A body that can't be read is an error of the field "body": all 400s have one form."""
        if isinstance(exc, ParseError):
            exc = ValidationError({"body": [str(exc.detail)]})
        return super().handle_exception(exc)

    def get_serializer_class(self) -> type[serializers.BaseSerializer[RateRequest]]:
        return NewRequestSerializer if self.action == "create" else RateRequestSerializer

    def get_queryset(self) -> QuerySet[RateRequest]:
        rows = super().get_queryset()
        if self.action == "list" and not self.request.user.is_staff:
            return rows.none()
        return rows

    @extend_schema(
        request=NewRequestSerializer,
        responses={
            202: OpenApiResponse(AcceptedSerializer, "Accepted; `Location` is the status_url."),
            400: OpenApiResponse(dict[str, list[str]], "What is wrong, field by field."),
            503: OpenApiResponse(
                dict[str, str],
                "Too many requests are waiting, or the database is away: nothing was accepted. Try again after the "
                "seconds of `Retry-After`.",
            ),
        },
        parameters=[
            OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[202], description="The status_url."),
            OpenApiParameter("Retry-After", int, OpenApiParameter.HEADER, response=[503], description="Seconds."),
        ],
        examples=[
            OpenApiExample("A person", {"currency_char_code": "USD", "telegram_id": 42}, request_only=True),
            OpenApiExample("A group", {"currency_char_code": "EUR", "telegram_id": -1001234567890}, request_only=True),
            OpenApiExample(
                "Accepted",
                {"id": EXAMPLE_ID, "status": "accepted", "status_url": EXAMPLE_URL},
                response_only=True,
                status_codes=["202"],
            ),
            OpenApiExample(
                "Not a code",
                {"currency_char_code": ["Must be three Latin letters, such as USD."]},
                response_only=True,
                status_codes=["400"],
            ),
        ],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for a rate. A code that the newest sheet lacks is accepted, and the person is told so."""
        backlog.check()
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        row = dispatch.ask(**serializer.validated_data)
        # A plain dict, so that the page shows the form for a new request and not one for this answer.
        accepted = dict(AcceptedSerializer(row, context=self.get_serializer_context()).data)
        return Response(accepted, status=202, headers={"Location": accepted["status_url"]})

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The newest requests, for signed-in staff; anyone else gets an empty list and a note."""
        response = super().list(request, *args, **kwargs)
        if not request.user.is_staff:
            response.data["note"] = NOTE
        return response

    @extend_schema(
        examples=[
            OpenApiExample(
                "Delivered",
                {
                    "id": EXAMPLE_ID,
                    "status": "delivered",
                    "status_url": EXAMPLE_URL,
                    "currency_char_code": "KZT",
                    "telegram_id": 42,
                    "times": {
                        "created_at": "2026-04-25T10:00:00.000000Z",
                        "accepted_at": "2026-04-25T10:00:00.000000Z",
                        "fetching_at": "2026-04-25T10:00:00.020000Z",
                        "notifying_at": "2026-04-25T10:00:00.150000Z",
                        "finished_at": "2026-04-25T10:00:00.400000Z",
                    },
                    "durations": {"waiting": 0.02, "fetching": 0.13, "notifying": 0.25, "total": 0.4},
                    "rate": {
                        "found": True,
                        "nominal": 100,
                        "value": "16.3172",
                        "unit_value": "0.163172",
                        "date": "2026-04-25",
                        "fresh": True,
                    },
                    "text": "Тенге (KZT)\n100 KZT = 16,3172 ₽\n…",
                    "attempts": {"fetch": 1, "notify": 1},
                    "error": None,
                },
                response_only=True,
            )
        ]
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How far a request is: the time of each step, the rate, the text, the attempts, the error."""
        return super().retrieve(request, *args, **kwargs)
