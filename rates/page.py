"""The page at the root: the newest stored rates and where everything else is."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rates import store
from rates.models import Rate


@require_safe
def newest_rates(request: HttpRequest) -> HttpResponse:
    """The newest stored sheet as a table; Russian, English with ?lang=en. It never waits for the CBR."""
    date = store.newest_stored_date()
    rates = Rate.objects.filter(date=date).select_related("currency").order_by("currency__char_code")
    template = "rates/page_en.html" if request.GET.get("lang") == "en" else "rates/page.html"
    context = {"date": date, "rates": rates, "fresh": store.is_fresh(), "contact": store.last_contact()}
    return render(request, template, context)
