"""The request log: to read, to search, and to send a failed request again."""

import datetime as dt
import uuid
from itertools import pairwise
from typing import Any, cast
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from notifier import dispatch, figures
from notifier.admin.days import LongList
from notifier.admin.paging import CappedPaginator
from notifier.admin.searching import telegram_id
from notifier.models import RateRequest
from notifier.serializers import plain
from project.read_only import ReadOnly

NBSP = "\N{NO-BREAK SPACE}"


class CurrencyFilter(admin.SimpleListFilter):
    """The codes that were asked for."""

    title = "currency"
    parameter_name = "currency_char_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code) for code in figures.distinct("currency_char_code")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RateRequest]) -> QuerySet[RateRequest]:
        return queryset.filter(currency_char_code=self.value()) if self.value() else queryset


class ErrorFilter(admin.SimpleListFilter):
    """The codes of the errors that occurred."""

    title = "error"
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code) for code in figures.distinct("error_code")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RateRequest]) -> QuerySet[RateRequest]:
        # Said twice, so that the database sees that its index, which leaves the empty ones out, will do.
        return queryset.exclude(error_code="").filter(error_code=self.value()) if self.value() else queryset


@admin.register(RateRequest)
class RateRequestAdmin(ReadOnly):
    list_display = [
        *["short_id", "created", "currency_char_code", "told_to", "status", "rate"],
        *["total", "short_error", "steps", "attempts"],
    ]
    fieldsets = [
        (
            None,
            {"fields": ["id", "currency_char_code", "telegram_id", "webhook_url", "token", "status", "rate", "text"]},
        ),
        ("Time", {"fields": ["created", "accepted", "fetching", "notifying", "finished", "total", "steps"]}),
        ("Error", {"fields": ["attempts", "error_code", "error"]}),
        ("Queue", {"fields": ["publishes", "published_at", "lease_until", "sweep_at", "possible_repeats"]}),
    ]
    list_filter = ["status", CurrencyFilter, "created_at", ErrorFilter]
    search_fields = ["id", "currency_char_code", "telegram_id"]
    search_help_text = "An id or its beginning, a currency's code, or a Telegram id."
    list_select_related = ["token"]
    list_per_page = 50
    date_hierarchy = "created_at"
    # Counting all rows takes longer than showing a page of them.
    show_full_result_count = False
    paginator = CappedPaginator
    actions = ["send_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RateRequest]:
        return LongList(RateRequest).order_by(*self.get_ordering(request))

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifier.change_raterequest")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RateRequest], search_term: str
    ) -> tuple[QuerySet[RateRequest], bool]:
        """Exact matches and beginnings only, which indexes serve; Django's would scan every row."""
        for word in search_term.split():
            queryset = queryset.filter(matches(word))
        return queryset, False

    @admin.action(description="Send selected failed requests again", permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[RateRequest]) -> None:
        rows = list(queryset)
        sent = [row for row in rows if dispatch.ask_again(row)]
        for row in sent:
            audit(request, row)
        if sent:
            self.message_user(request, f"{len(sent)} sent again.", messages.SUCCESS)
        if refused := len(rows) - len(sent):
            text = f"{refused} not sent again: only failed requests are."
            self.message_user(request, text, messages.WARNING)

    @admin.display(description="id", ordering="id")
    def short_id(self, row: RateRequest) -> str:
        return str(row.pk)[:8]

    @admin.display(description="told to", ordering="telegram_id")
    def told_to(self, row: RateRequest) -> str:
        """A Telegram id, or the host of a webhook with whose token it is: the rest of its address is long."""
        if row.telegram_id is not None:
            return str(row.telegram_id)
        return f"{urlsplit(row.webhook_url).netloc} ({row.token.name if row.token else '—'})"

    @admin.display(description="rate")
    def rate(self, row: RateRequest) -> str:
        if row.found is None:
            return "—"
        value = f"{plain(row.value)}{NBSP}for{NBSP}{row.nominal}" if row.found else f"not{NBSP}found"
        stale = "" if row.fresh else f", not{NBSP}fresh"
        return f"{value}, {row.sheet_date:%d.%m.%Y}{stale}"

    @admin.display(description="created", ordering="created_at")
    def created(self, row: RateRequest) -> str:
        return moment(row.created_at)

    @admin.display(description="accepted")
    def accepted(self, row: RateRequest) -> str:
        return moment(row.accepted_at)

    @admin.display(description="rate first asked for")
    def fetching(self, row: RateRequest) -> str:
        return moment(row.fetching_at)

    @admin.display(description="message first sent")
    def notifying(self, row: RateRequest) -> str:
        return moment(row.notifying_at)

    @admin.display(description="finished")
    def finished(self, row: RateRequest) -> str:
        return moment(row.finished_at)

    @admin.display(description="total")
    def total(self, row: RateRequest) -> str:
        return span(row.accepted_at, row.finished_at)

    @admin.display(description="waiting, fetching, notifying")
    def steps(self, row: RateRequest) -> str:
        times = [row.accepted_at, row.fetching_at, row.notifying_at, row.finished_at]
        return ", ".join(span(start, end) for start, end in pairwise(times))

    @admin.display(description="tries: fetch + notify")
    def attempts(self, row: RateRequest) -> str:
        return f"{row.fetch_attempts}{NBSP}+{NBSP}{row.notify_attempts}"

    @admin.display(description="error", ordering="error_code")
    def short_error(self, row: RateRequest) -> str:
        words = Truncator(row.error).chars(60)
        return f"{row.error_code}: {words}" if row.error_code else ""


def matches(word: str) -> Q:
    """The rows that a word of the search box means."""
    found = Q(pk__in=[])
    if len(word) == 3 and word.isalpha():
        found |= Q(currency_char_code=word.upper())
    if (person := telegram_id(word)) is not None:
        found |= Q(telegram_id=person)
    if bounds := id_bounds(word):
        found |= Q(pk__range=bounds)
    return found


def id_bounds(word: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The first and the last id that begins with this word."""
    digits = word.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))


def span(start: dt.datetime | None, end: dt.datetime | None) -> str:
    """Seconds between two times; a dash where one is missing."""
    return f"{(end - start).total_seconds():.2f}{NBSP}s" if start and end else "—"


def moment(time: dt.datetime | None) -> str:
    """A time of UTC, to the millisecond."""
    return f"{time:%Y-%m-%d} {time:%H:%M:%S}.{time.microsecond // 1000:03}" if time else "—"


def audit(request: HttpRequest, row: RateRequest) -> None:
    """Who has sent which request again, in the admin's own log."""
    LogEntry.objects.create(
        user=cast(User, request.user),
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=CHANGE,
        change_message="Sent again.",
    )
