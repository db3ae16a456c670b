"""What OpenAPI says about rate requests beyond what the code says by itself."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers

from notifier.idempotency import HEADER
from notifier.serializers import (
    AcceptedBatchSerializer,
    AcceptedSerializer,
    NewBatchSerializer,
    NewRequestSerializer,
    RateRequestSerializer,
)

EXAMPLE_ID = "0d5be5d5-9bd3-4c68-a0b7-6a6fd8b5a3f1"
EXAMPLE_URL = f"http://localhost:8000/api/v1/rate-requests/{EXAMPLE_ID}/"
ACCEPTED = {"id": EXAMPLE_ID, "status": "accepted", "status_url": EXAMPLE_URL}

# A token, or none.
ANYBODY: Any = [{"token": []}, {}]
Problem = inline_serializer("Problem", {"code": serializers.CharField(), "detail": serializers.CharField()})


def problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(Problem, description)


NO_TOKEN = problem("A token is needed, or this one is unknown or was revoked.")
NOT_ALLOWED = problem("The token lacks the scope, or the request is another token's.")
NOT_FOUND = problem("There is no such request.")
TOO_MANY = problem("The rate of this token, address or Telegram id is used up; try again after `Retry-After` seconds.")
NOT_NOW = problem(
    "Too many requests are waiting, or the database is away: nothing was accepted. Try again after the seconds of "
    "`Retry-After`."
)
WRONG = OpenApiResponse(dict[str, list[str]], "What is wrong, field by field.")
KEY = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Up to 255 visible ASCII characters, best a random UUID. The same key and body again, within a day "
    "(IDEMPOTENCY_KEY_HOURS), gives the same answer and makes nothing new; another body is 409.",
)
RETRY_AFTER = OpenApiParameter("Retry-After", int, OpenApiParameter.HEADER, response=[429, 503], description="Seconds.")
LOCATION = OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[202], description="The status_url.")
ORDERING = OpenApiParameter(
    "ordering", str, enum=["created_at", "-created_at"], description="The newest first without."
)
PAGE_SIZE = OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100}, description="25 without.")
REUSED = problem("The Idempotency-Key was used with another body.")

NEW_EXAMPLES = [
    OpenApiExample("A person", {"currency_char_code": "USD", "telegram_id": 42}, request_only=True),
    OpenApiExample("A group", {"currency_char_code": "EUR", "telegram_id": -1001234567890}, request_only=True),
    OpenApiExample(
        "A webhook", {"currency_char_code": "EUR", "webhook_url": "https://example.org/rates"}, request_only=True
    ),
    OpenApiExample("Accepted", ACCEPTED, response_only=True, status_codes=["202"]),
    OpenApiExample(
        "Not a code",
        {"currency_char_code": ["Must be three Latin letters, such as USD."]},
        response_only=True,
        status_codes=["400"],
    ),
]
BATCH_EXAMPLES = [
    OpenApiExample("Two people", {"currency_char_code": "USD", "telegram_ids": [42, 43]}, request_only=True),
    OpenApiExample(
        "Accepted",
        {"requests": [{**ACCEPTED, "telegram_id": 42}]},
        response_only=True,
        status_codes=["202"],
    ),
    OpenApiExample(
        "The second is no id",
        {"telegram_ids.1": ["Must be an integer other than 0, of at most 64 bits: a person's id, or a group's."]},
        response_only=True,
        status_codes=["400"],
    ),
]
DELIVERED = OpenApiExample(
    "Delivered",
    {
        "id": EXAMPLE_ID,
        "status": "delivered",
        "status_url": EXAMPLE_URL,
        "currency_char_code": "KZT",
        "telegram_id": 42,
        "webhook_url": None,
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
    status_codes=["200"],
)

documented: Any = extend_schema_view(
    create=extend_schema(
        summary="Ask for a rate",
        auth=ANYBODY,
        request=NewRequestSerializer,
        responses={
            202: OpenApiResponse(AcceptedSerializer, "Accepted; `Location` is the status_url."),
            400: WRONG,
            401: NO_TOKEN,
            403: NOT_ALLOWED,
            409: REUSED,
            429: TOO_MANY,
            503: NOT_NOW,
        },
        parameters=[KEY, LOCATION, RETRY_AFTER],
        examples=NEW_EXAMPLES,
    ),
    batch=extend_schema(
        summary="Ask for a rate for up to 100 recipients",
        auth=ANYBODY,
        request=NewBatchSerializer,
        responses={
            202: OpenApiResponse(AcceptedBatchSerializer, "All are accepted."),
            400: OpenApiResponse(dict[str, list[str]], "None is accepted; `telegram_ids.3` is the fourth id."),
            401: NO_TOKEN,
            403: NOT_ALLOWED,
            409: REUSED,
            429: TOO_MANY,
            503: NOT_NOW,
        },
        parameters=[KEY, RETRY_AFTER],
        examples=BATCH_EXAMPLES,
    ),
    cancel=extend_schema(
        summary="Cancel a request that isn't sent yet",
        auth=ANYBODY,
        request=None,
        responses={
            200: RateRequestSerializer,
            401: NO_TOKEN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
            409: problem("It is just being sent, may have been, or has ended otherwise."),
            429: TOO_MANY,
        },
        parameters=[RETRY_AFTER],
    ),
    list=extend_schema(
        summary="Your requests",
        responses={
            200: RateRequestSerializer(many=True),
            400: WRONG,
            401: NO_TOKEN,
            403: NOT_ALLOWED,
            404: problem("The cursor is none."),
            429: TOO_MANY,
        },
        parameters=[ORDERING, PAGE_SIZE, RETRY_AFTER],
    ),
    retrieve=extend_schema(
        summary="How far a request is",
        auth=ANYBODY,
        responses={200: RateRequestSerializer, 401: NO_TOKEN, 404: NOT_FOUND, 429: TOO_MANY},
        parameters=[RETRY_AFTER],
        examples=[DELIVERED],
    ),
)
