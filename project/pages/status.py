"""/status: the pipeline at a glance, for anyone: no ids, texts, chats or hosts are in it."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from project.glance import glance
from project.pages.preferences import render


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """What can't be told in time is shown as unknown."""
    return render(request, "pages/status.html", {"now": glance()})
