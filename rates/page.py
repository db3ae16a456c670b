"""The page at the root: the newest stored rates, and the way to everything else."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rates import store
from rates.models import Rate
from rates.money import plain


@require_safe
def newest_rates(request: HttpRequest) -> HttpResponse:
    """The newest stored sheet as a table: in Russian, with ?lang=en in English. It never waits for the CBR."""
    english = request.GET.get("lang") == "en"
    date = store.newest_stored_date()
    rows = [_row(rate, english) for rate in store.rates_on(date)]
    context = {"date": date, "fresh": store.is_fresh(), "rates": rows}
    return render(request, "rates/page_en.html" if english else "rates/page.html", context)


def _row(rate: Rate, english: bool) -> dict[str, Any]:
    currency = rate.currency
    return {
        "char_code": currency.char_code,
        "nominal": rate.nominal,
        "name": (english and currency.name_en) or rate.display_name,
        "value": plain(rate.value) if english else plain(rate.value).replace(".", ","),
    }
