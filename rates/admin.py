"""The stored rates in the admin: to look things up, and to take away a sheet that is wrong."""

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from project.read_only import ReadOnly, Unwritable
from rates import cache
from rates.models import AskedRange, CbrContact, Currency, Rate, StoredSheet
from rates.money import plain


@admin.register(Currency)
class CurrencyAdmin(ReadOnly):
    show_full_result_count = False
    list_display = ["char_code", "num_code", "name", "name_en", "cbr_id"]
    search_fields = ["char_code", "num_code", "name", "name_en", "cbr_id"]


@admin.register(Rate)
class RateAdmin(ReadOnly):
    show_full_result_count = False
    list_display = ["date", "currency", "display_name", "nominal", "exact_value", "unit_value", "updated_at"]
    list_select_related = ["currency"]
    list_filter = ["date", "currency"]
    search_fields = ["currency__char_code", "currency__name", "currency__name_en"]
    search_help_text = "Code or name of a currency"
    date_hierarchy = "date"

    @admin.display(description="value", ordering="value")
    def exact_value(self, rate: Rate) -> str:
        return plain(rate.value)


@admin.register(StoredSheet)
class StoredSheetAdmin(Unwritable):
    """Deleting a sheet deletes its rates: for one that was imported by mistake and would serve as the newest."""

    show_full_result_count = False
    list_display = ["date", "updated_at"]
    date_hierarchy = "date"

    def delete_model(self, request: HttpRequest, obj: StoredSheet) -> None:
        self.delete_queryset(request, StoredSheet.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StoredSheet]) -> None:
        with transaction.atomic():
            Rate.objects.filter(date__in=list(queryset.values_list("date", flat=True))).delete()
            queryset.delete()
        cache.forget()


@admin.register(AskedRange)
class AskedRangeAdmin(Unwritable):
    """Deleting one has the CBR asked again when somebody wants that history."""

    show_full_result_count = False
    list_display = ["currency", "start", "end", "asked_at"]
    list_select_related = ["currency"]
    list_filter = ["currency"]


@admin.register(CbrContact)
class CbrContactAdmin(ReadOnly):
    show_full_result_count = False
    list_display = ["asked_at", "answered_at", "error"]
