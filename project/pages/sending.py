"""The form that sends a rate, and the page that shows how far the request is.

Who has sent a request sees its text and recipient: their browser has a signed cookie that says so. Anyone else who
knows the address sees the steps alone.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from notifier import dispatch
from notifier.backlog import RETRY_AFTER, TooMany, backlog
from notifier.models import RateRequest
from notifier.serializers import NewRequestSerializer
from project.pages import home
from project.pages.preferences import render

# How long a browser may see what it has sent, in seconds.
OWNED = 24 * 3600
Status = RateRequest.Status


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is done, now, waiting or failed; `after` are the seconds since the request was accepted."""

    name: str
    state: str
    at: dt.datetime | None = None
    after: float | None = None


@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Accept a request and lead to its page; what is wrong is shown at the form's fields."""
    try:
        backlog.check()
    except TooMany:
        response = render(
            request, "pages/home.html", {**home.context(request), "full": True, "values": request.POST}, status=503
        )
        response["Retry-After"] = str(RETRY_AFTER)
        return response
    form = NewRequestSerializer(data=request.POST)
    if not form.is_valid():
        context = {**home.context(request), "errors": form.errors, "values": request.POST}
        return render(request, "pages/home.html", context, status=400)
    row = dispatch.ask(**form.validated_data)
    path = reverse("request", args=[row.pk])
    # 303 by hand: a browser asks for the next page by GET.
    response = HttpResponseRedirect(path, status=303)
    response.set_signed_cookie(
        "sent", str(row.pk), max_age=OWNED, path=path, httponly=True, samesite="Lax", secure=request.is_secure()
    )
    return response


@require_safe
def progress(request: HttpRequest, id: UUID) -> HttpResponse:
    """How far a request is."""
    row = get_object_or_404(RateRequest, pk=id)
    context: dict[str, Any] = {
        "row": row,
        "steps": steps(row),
        "on_its_way": row.status not in (Status.DELIVERED, Status.FAILED),
        "owned": _owned(request, row),
    }
    return render(request, "pages/request.html", context)


def _owned(request: HttpRequest, row: RateRequest) -> bool:
    if request.user.has_perm("notifier.view_raterequest"):
        return True
    return request.get_signed_cookie("sent", default="", max_age=OWNED) == str(row.pk)


def steps(row: RateRequest) -> list[Step]:
    """Accepted, fetched, delivered, with the time of each; a request that failed has that in place of the rest."""
    times = [("accepted", row.accepted_at), ("fetched", row.notifying_at)]
    if row.status == Status.DELIVERED:
        times.append(("delivered", row.finished_at))
    done = [Step(name, "done", at, _after(row, at)) for name, at in times if at is not None]
    if row.status == Status.FAILED:
        return [*done, Step("failed", "failed", row.finished_at, _after(row, row.finished_at))]
    left = [name for name in ("accepted", "fetched", "delivered") if name not in {step.name for step in done}]
    return [*done, *(Step(name, "waiting" if index else "now") for index, name in enumerate(left))]


def _after(row: RateRequest, at: dt.datetime | None) -> float | None:
    return (at - row.accepted_at).total_seconds() if at and at != row.accepted_at else None
