"""Admin pages of rows that the program makes: people look them up."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class Unwritable(admin.ModelAdmin):
    """Nobody writes such a row by hand, superusers neither; who may delete it can."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnly(Unwritable):
    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
