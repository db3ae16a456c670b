"""Who has done what in the admin, to read."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.http import HttpRequest

from notifier.admin.paging import CappedPaginator
from project.read_only import ReadOnly

FLAGS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    """The audit of the admin's actions. Nobody changes it, superusers neither."""

    list_display = ["action_time", "user", "flag", "content_type", "object_repr", "said"]
    list_filter = ["action_flag", "content_type", "action_time"]
    list_select_related = ["user", "content_type"]
    search_fields = ["=object_id", "=user__username"]
    search_help_text = "An object's whole id, or a user's name."
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator

    @admin.display(description="action", ordering="action_flag")
    def flag(self, entry: LogEntry) -> str:
        return FLAGS.get(entry.action_flag, "")

    @admin.display(description="what")
    def said(self, entry: LogEntry) -> str:
        return entry.get_change_message()


def note(request: HttpRequest, what: str, object_id: str, message: str, flag: int = CHANGE, of: Any = None) -> None:
    """Write down what a signed-in user has done to something; `of` is its content type where it is a model's row."""
    assert isinstance(request.user, User), "the admin's pages are for signed-in users"
    LogEntry.objects.create(
        user=request.user,
        content_type=of,
        object_id=object_id,
        object_repr=what[:200],
        action_flag=flag,
        change_message=message,
    )
