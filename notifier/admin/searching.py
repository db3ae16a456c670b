"""Search that an index serves, and filters whose choices all have a name."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
SIGNED_64 = range(-(2**63), 2**63)


def telegram_id(word: str) -> int | None:
    """The id that a word of the search box is, if it can be one."""
    return int(word) if INTEGER.fullmatch(word) and int(word) in SIGNED_64 else None


class ByTelegramId(admin.ModelAdmin):
    """Searches for whole Telegram ids. Django's `=` and `__exact` would compare every row's id as text."""

    #: The field that has it.
    person = "telegram_id"
    search_help_text = "A Telegram id."

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [self.person]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in search_term.split():
            queryset = self.found(queryset, word)
        return queryset, False

    def found(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        """The rows that a word of the search box means."""
        found = telegram_id(word)
        return rows.none() if found is None else rows.filter(**{self.person: found})


class Named(admin.AllValuesFieldListFilter):
    """Without a choice for those whose value is empty: nothing could be read of its link."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        return (choice for choice in super().choices(changelist) if str(choice["display"]))
