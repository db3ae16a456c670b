"""Chats with their last error, digests, alerts, and the messages that these made."""

import uuid

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from notifier import chats, texts
from notifier import messages as outgoing
from notifier.admin.paging import CappedPaginator
from notifier.admin.rate_requests import moment
from notifier.admin.searching import ByTelegramId, Named
from notifier.models import Alert, Chat, Message, Subscription
from project.read_only import ReadOnly, Unwritable


@admin.register(Chat)
class ChatAdmin(ByTelegramId, Unwritable):
    list_display = ["id", "seen", "language", "zone", "disabled", "disabled_reason", "error_at", "short_error", "moved"]
    list_filter = ["disabled", ("disabled_reason", Named), ("language", Named)]
    person = "id"
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    actions = ["send_test"]

    def has_send_test_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifier.change_chat")

    @admin.action(description="Send a test message to selected chats", permissions=["send_test"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Chat]) -> None:
        """Also to disabled ones: that it arrives is what enables them."""
        for chat in queryset:
            with texts.speaking(chats.language_of(chat)):
                outgoing.write(Message.Kind.TEST, f"test:{uuid.uuid4()}", chat.pk, texts.render("bot/test"))
            self.log_change(request, chat, "Sent a test message.")
        self.message_user(request, "On their way: see Messages, or the chats' last errors.", messages.SUCCESS)

    @admin.display(description="first seen", ordering="created_at")
    def seen(self, row: Chat) -> str:
        return moment(row.created_at)

    @admin.display(description="last error at", ordering="last_error_at")
    def error_at(self, row: Chat) -> str:
        return moment(row.last_error_at)

    @admin.display(description="last error")
    def short_error(self, row: Chat) -> str:
        return Truncator(row.last_error).chars(60)

    @admin.display(description="now", ordering="migrated_to")
    def moved(self, row: Chat) -> str:
        return str(row.migrated_to or "")


@admin.register(Subscription)
class SubscriptionAdmin(ByTelegramId, Unwritable):
    list_display = ["id", "chat", "at", "zone", "next", "off"]
    list_filter = ["zone"]
    list_select_related = ["chat"]
    person = "chat_id"
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator

    @admin.display(description="next (UTC)", ordering="next_at")
    def next(self, row: Subscription) -> str:
        return moment(row.next_at)

    @admin.display(description="chat disabled", boolean=True)
    def off(self, row: Subscription) -> bool:
        return row.chat.disabled


@admin.register(Alert)
class AlertAdmin(ByTelegramId, Unwritable):
    list_display = ["id", "chat", "char_code", "kind", "threshold", "low", "high", "armed", "fires", "last"]
    list_filter = ["kind", "armed"]
    list_select_related = ["chat"]
    person = "chat_id"
    search_help_text = "A Telegram id, or a currency's code."
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator

    def found(self, rows: QuerySet[Alert], word: str) -> QuerySet[Alert]:
        return rows.filter(char_code=word.upper()) if word.isalpha() else super().found(rows, word)

    @admin.display(description="last fired", ordering="fired_at")
    def last(self, row: Alert) -> str:
        return moment(row.fired_at)


@admin.register(Message)
class MessageAdmin(ByTelegramId, ReadOnly):
    list_display = ["id", "created", "kind", "telegram_id", "status", "attempts", "finished", "short_error"]
    list_filter = ["kind", "status"]
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator

    @admin.display(description="created", ordering="created_at")
    def created(self, row: Message) -> str:
        return moment(row.created_at)

    @admin.display(description="finished", ordering="finished_at")
    def finished(self, row: Message) -> str:
        return moment(row.finished_at)

    @admin.display(description="error")
    def short_error(self, row: Message) -> str:
        return f"{row.error_code}: {Truncator(row.error).chars(60)}" if row.error_code else ""
