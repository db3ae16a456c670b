"""The form that sends a rate, and the page that shows how far the request is.

Who has sent a request sees its text and recipient: their browser has a signed cookie that says so. Anyone else who
knows the address sees the steps alone.
"""

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from notifier import dispatch
from notifier.backlog import RETRY_AFTER, TooMany, backlog
from notifier.models import RateRequest
from notifier.serializers import NewRequestSerializer
from project.accounts import throttling
from project.pages import home
from project.pages.preferences import render

# How long a browser may see what it has sent, in seconds.
OWNED = 24 * 3600
FIELDS = ("currency_char_code", "telegram_id")
Status = RateRequest.Status
WITHOUT_MESSAGE = (Status.FAILED, Status.CANCELLED)


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
    if not home.may_send(request):
        return _again(request, 403)
    form = NewRequestSerializer(data={field: request.POST.get(field, "") for field in FIELDS})
    if not form.is_valid():
        return _again(request, 400, errors=form.errors)
    try:
        backlog.check()
    except TooMany:
        return _again(request, 503, RETRY_AFTER, full=True)
    wait = _patience(request, form.validated_data["telegram_id"])
    if wait is not None:
        return _again(request, 429, wait, full=True)
    row = dispatch.ask(**form.validated_data)
    path = reverse("request", args=[row.pk])
    # 303 by hand: a browser asks for the next page by GET.
    response = HttpResponseRedirect(path, status=303)
    response.set_signed_cookie(
        "sent", str(row.pk), max_age=OWNED, path=path, httponly=True, samesite="Lax", secure=request.is_secure()
    )
    return response


def _again(request: HttpRequest, status: int, wait: float | None = None, **context: Any) -> HttpResponse:
    """The page with the form as it was filled in, and what was wrong; with `wait`, in so many seconds it may go."""
    context = {**home.context(request), "values": request.POST, **context}
    response = render(request, "pages/home.html", context, status=status)
    if wait is not None:
        response["Retry-After"] = str(math.ceil(wait))
    return response


def _patience(request: HttpRequest, telegram_id: int) -> float | None:
    """The API's limits hold here too: seconds until there is room again, None where there is."""
    address = BaseThrottle().get_ident(Request(request))
    wait = None if home.is_staff(request) else throttling.charge("THROTTLE_ANONYMOUS", address)
    return throttling.charge("THROTTLE_TELEGRAM_ID", telegram_id) if wait is None else wait


@require_safe
def progress(request: HttpRequest, id: UUID) -> HttpResponse:
    """How far a request is."""
    row = get_object_or_404(RateRequest, pk=id)
    context: dict[str, Any] = {
        "row": row,
        "steps": steps(row),
        "on_its_way": row.status not in (Status.DELIVERED, *WITHOUT_MESSAGE),
        "owned": _owned(request, row),
    }
    return render(request, "pages/request.html", context)


def _owned(request: HttpRequest, row: RateRequest) -> bool:
    if request.user.has_perm("notifier.view_raterequest"):
        return True
    return request.get_signed_cookie("sent", default="", max_age=OWNED) == str(row.pk)


def steps(row: RateRequest) -> list[Step]:
    """Accepted, fetched, delivered, with the time of each; a request that failed or was cancelled has that in place of
    the rest."""
    times = [("accepted", row.accepted_at), ("fetched", row.notifying_at)]
    if row.status == Status.DELIVERED:
        times.append(("delivered", row.finished_at))
    done = [Step(name, "done", at, _after(row, at)) for name, at in times if at is not None]
    if row.status in WITHOUT_MESSAGE:
        return [*done, Step(row.status, "failed", row.finished_at, _after(row, row.finished_at))]
    left = [name for name in ("accepted", "fetched", "delivered") if name not in {step.name for step in done}]
    return [*done, *(Step(name, "waiting" if index else "now") for index, name in enumerate(left))]


def _after(row: RateRequest, at: dt.datetime | None) -> float | None:
    return (at - row.accepted_at).total_seconds() if at and at != row.accepted_at else None
