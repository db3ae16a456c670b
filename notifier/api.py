"""The API of rate requests: ask for one, see how far it is, look through one's own, cancel."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotAuthenticated, NotFound, ParseError, ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from notifier import bodies, dispatch, idempotency, requests, rights
from notifier.api_docs import documented
from notifier.backlog import backlog
from notifier.filters import RateRequestFilter
from notifier.models import RateRequest
from notifier.serializers import (
    AcceptedBatchSerializer,
    AcceptedSerializer,
    NewBatchSerializer,
    NewRequestSerializer,
    RateRequestSerializer,
)
from project.accounts import throttling
from project.accounts.authentication import token_of

NOTE = "POST here to ask for a rate. The list takes a token with the scope read, or signed-in staff."
# The requests' ids, and headers for the answer.
Once = tuple[list[UUID], dict[str, str]]
SERIALIZERS = {"create": NewRequestSerializer, "batch": NewBatchSerializer}


class NewestFirst(CursorPagination):
    ordering = "-created_at"
    page_size = 25
    page_size_query_param = "page_size"
    max_page_size = 100

    def paginate_queryset(self, *args: Any, **kwargs: Any) -> list[Any] | None:
        """A cursor is made up of what it points at: one that somebody else has made may hold no time."""
        try:
            return super().paginate_queryset(*args, **kwargs)
        except (DjangoValidationError, OverflowError):
            raise NotFound(self.invalid_cursor_message) from None


class TooLate(APIException):
    status_code = 409
    default_code = "too_late"
    default_detail = "It can't be cancelled any more: it is just being sent, may have been, or has ended."


@documented
class RateRequestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RateRequest]):
    """Ask for the rate of a currency: it is sent to a Telegram id, or to a webhook.

    POST {"currency_char_code": "USD", "telegram_id": 42} answers 202 with the address that tells how far the
    request is: accepted, fetching, notifying, then delivered, failed or cancelled.
    """

    queryset = RateRequest.objects.all()
    pagination_class = NewestFirst
    filter_backends = [DjangoFilterBackend, OrderingFilter]
    filterset_class = RateRequestFilter
    ordering_fields = ["created_at"]
    permission_classes = [rights.MayAsk]
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
        return SERIALIZERS.get(self.action, RateRequestSerializer)

    def get_queryset(self) -> QuerySet[RateRequest]:
        rows = super().get_queryset()
        token = token_of(self.request)
        return rows.filter(token=token) if self.action == "list" and token else rows

    def filter_queryset(self, queryset: QuerySet[RateRequest, Any]) -> QuerySet[RateRequest, Any]:
        """The filters are the list's."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for a rate. A code that the newest sheet lacks is accepted, and the person is told so."""
        wanted = self._wanted()
        token = token_of(request)
        if "webhook_url" in wanted and token is None:
            raise NotAuthenticated("A webhook takes a token with the scope request: its secret signs it.")
        people = [wanted["telegram_id"]] if "telegram_id" in wanted else []
        token_id = token.pk if token else None
        (pk,), headers = self._once(wanted, people, lambda: [dispatch.ask(**wanted, token_id=token_id)])
        # A plain dict, so that the page shows the form for a new request and not one for this answer.
        accepted = dict(AcceptedSerializer(RateRequest(pk=pk), context=self.get_serializer_context()).data)
        return Response(accepted, status=202, headers={**headers, "Location": accepted["status_url"]})

    @action(detail=False, methods=["post"])
    def batch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for one currency for many people: all of them are accepted, or none is."""
        wanted = self._wanted()
        code, people = wanted["currency_char_code"], wanted["telegram_ids"]
        token = token_of(request)

        def make() -> Sequence[RateRequest]:
            with transaction.atomic():
                return [dispatch.ask(code, one, token_id=token.pk if token else None) for one in people]

        pks, headers = self._once(wanted, people, make)
        rows = [RateRequest(pk=pk, telegram_id=one) for pk, one in zip(pks, people, strict=True)]
        accepted = dict(AcceptedBatchSerializer({"requests": rows}, context=self.get_serializer_context()).data)
        return Response(accepted, status=202, headers=headers)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A token's own requests; to staff, all of them. The newest come first."""
        try:
            rights.check_may_list(request)
        except NotAuthenticated:
            # In a browser this is the page with the form, which needs no token.
            if request.accepted_renderer.format != "api":
                raise
            return Response({"next": None, "previous": None, "results": [], "note": NOTE})
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The time of each step, the rate, the text, the attempts, the error.

        Who gets it and the text are shown to staff and to the token that asked, if it has the scope read; to anybody
        else who knows the id they are hidden.
        """
        return super().retrieve(request, *args, **kwargs)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cancel it while it isn't sent: nothing will be. To cancel again changes nothing."""
        row = self.get_object()
        rights.check_may_cancel(request, row)
        cancelled = requests.cancel(row.pk)
        row.refresh_from_db()
        if not cancelled and row.status != RateRequest.Status.CANCELLED:
            raise TooLate
        return Response(self.get_serializer(row).data)

    def _wanted(self) -> dict[str, Any]:
        serializer = self.get_serializer(data=self.request.data)
        if not serializer.is_valid() and isinstance(serializer, NewBatchSerializer):
            raise ValidationError(serializer.flat_errors)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _once(self, wanted: dict[str, Any], people: Sequence[int], make: Callable[[], Sequence[RateRequest]]) -> Once:
        """What was asked under the same key before isn't throttled or refused, and not made."""
        scope, key = rights.scope(self.request), idempotency.key_of(self.request)
        earlier = idempotency.earlier(scope, key, wanted)
        if earlier is not None:
            return earlier, {"Idempotent-Replay": "true"}
        backlog.check()
        throttling.check_caller(self.request, len(people) - 1)
        for one in people:
            throttling.check("THROTTLE_TELEGRAM_ID", one)
        return idempotency.once(scope, key, wanted, make), {}
