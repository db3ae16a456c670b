"""A currency: its rate now, a chart of a time that one chooses, and the figures behind it."""

import datetime as dt
import threading
from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from project.pages.preferences import preference, render
from rates import store
from rates.cbr import CbrUnavailable
from rates.changes import with_changes
from rates.charts import chart
from rates.points import Point, points

# Days; the first is the default.
RANGES = {"30d": 30, "90d": 90, "1y": 365, "5y": 5 * 365}
LABELS = {
    "30d": ("30 дней", "30 days"),
    "90d": ("90 дней", "90 days"),
    "1y": ("Год", "1 year"),
    "5y": ("5 лет", "5 years"),
}
# A page waits for the CBR, so only one of them does at a time: the others show what is stored.
_asking = threading.Lock()


@require_safe
def currency(request: HttpRequest, code: str) -> HttpResponse:
    """`?range=` chooses how far back. Days that aren't stored are asked of the CBR, once."""
    changes = with_changes(codes=[code.upper()])
    if not changes:
        raise Http404(f"There is no rate of {code.upper()}.")
    now, chosen = changes[0], _range(request)
    found = _points(now.rate.currency.char_code, now.rate.date, chosen)
    english = preference(request, "lang") == "en"
    context: dict[str, Any] = {
        "code": now.rate.currency.char_code,
        "name": (english and now.rate.currency.name_en) or now.rate.currency.name,
        "now": now,
        "ranges": [(name, *LABELS[name], name == chosen) for name in RANGES],
        "chosen": chosen,
        "points": found[::-1],
        "low": min(found, key=lambda point: point.unit_value, default=None),
        "high": max(found, key=lambda point: point.unit_value, default=None),
        "first": found[0] if found else None,
        "last": found[-1] if found else None,
    }
    return render(request, "pages/currency.html", context)


@require_safe
def picture(request: HttpRequest, code: str) -> HttpResponse:
    """The chart itself, of what is stored; `?range=`, `?lang=`, `?dark=1`, and `?narrow=1` for a phone."""
    date = store.newest_stored_date()
    if date is None:
        raise Http404("There are no rates.")
    chosen, language = _range(request), preference(request, "lang")
    found = points(code.upper(), date - dt.timedelta(days=RANGES[chosen]), date)
    if len(found) < 2:
        raise Http404(f"There are too few rates of {code.upper()}.")
    dark, narrow = (request.GET.get(name) == "1" for name in ("dark", "narrow"))
    drawn = chart(found, title=code.upper(), language=language, dark=dark, narrow=narrow)
    response = HttpResponse(drawn, content_type="image/svg+xml")
    response["Cache-Control"] = "public, max-age=300"
    return response


def _range(request: HttpRequest) -> str:
    chosen = request.GET.get("range", "")
    return chosen if chosen in RANGES else next(iter(RANGES))


def _points(code: str, until: dt.date, chosen: str) -> Sequence[Point]:
    start = until - dt.timedelta(days=RANGES[chosen])
    if _asking.acquire(blocking=False):
        try:
            return points(code, start, until, fetch=True)
        except CbrUnavailable:
            pass  # said in the log of rates; what is stored serves
        finally:
            _asking.release()
    return points(code, start, until)
