"""The dashboard: is it working?"""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from notifier.figures import Hour
from project import svg
from project.admin_site import may_look
from project.glance import glance, hours, people


def dashboard(request: HttpRequest) -> HttpResponse:
    """Requests and failures by the hour, times, lag, workers, dead letters, errors; `?hours=48` for two days."""
    if not may_look(request):
        raise PermissionDenied
    chosen = 48 if request.GET.get("hours") == "48" else 24
    per_hour = hours[chosen].get()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Is it working?",
        "now": glance(),
        "people": people.get(),
        "hours": chosen,
        "chart": drawn(per_hour) if per_hour is not None else None,
        "total": sum(hour.requests for hour in per_hour or ()),
        "failed": sum(hour.failed for hour in per_hour or ()),
        "size": svg.BARS,
    }
    return render(request, "project/admin/dashboard.html", context)


def drawn(per_hour: list[Hour]) -> list[tuple[Hour, svg.Bar]]:
    """Each hour with its bar, the failed ones marked in it."""
    bars = svg.bars([(hour.requests, hour.failed) for hour in per_hour], svg.BARS)
    return list(zip(per_hour, bars, strict=True))
