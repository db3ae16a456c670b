"""The dead letters: listed, and after a question sent again or dropped; who did it is written down."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from project import pipeline
from project.admin.log_entries import note
from project.admin_site import may_look
from project.kafka.dead import Letter

# A page of letters; the command line has them all.
SHOWN = 200
PERMISSIONS = {"replay": "notifier.change_raterequest", "drop": "notifier.delete_raterequest"}
DONE = {"replay": "Replayed", "drop": "Dropped"}


@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """The oldest dead letters."""
    if not may_look(request):
        raise PermissionDenied
    letters = pipeline.dead_letters.get()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Dead letters",
        "known": letters is not None,
        "letters": (letters or [])[:SHOWN],
        "count": len(letters or []),
        "may": {action: request.user.has_perm(needed) for action, needed in PERMISSIONS.items()},
    }
    return render(request, "project/admin/dead_letters.html", context)


@require_POST
def handle(request: HttpRequest) -> HttpResponse:
    """Asks first; with `confirmed` it does it."""
    action, ids = request.POST.get("action", ""), request.POST.getlist("id")[:SHOWN]
    if action not in PERMISSIONS or not request.user.has_perm(PERMISSIONS[action]):
        raise PermissionDenied
    if ids and not request.POST.get("confirmed"):
        context = {
            **admin.site.each_context(request),
            "title": f"{action.capitalize()} dead letters?",
            "action": action,
            "letters": [letter for letter in pipeline.dead_letters.get() or () if letter.id in set(ids)],
        }
        return render(request, "project/admin/dead_letters_confirm.html", context)
    if ids:
        _do(request, action, ids)
    else:
        messages.warning(request, "No dead letter was chosen.")
    return HttpResponseRedirect(reverse("admin:dead-letters"))


def _do(request: HttpRequest, action: str, ids: list[str]) -> None:
    """The intent is written down first: what the broker did of it before it went away can be told from its list."""
    known = {letter.id: letter for letter in pipeline.dead_letters.get() or ()}
    for id in ids:
        flag = DELETION if action == "drop" else CHANGE
        note(request, _name(id, known.get(id)), id, f"{action.capitalize()} of a dead letter asked for.", flag)
    try:
        if action == "drop":
            pipeline.drop(ids)
            done = ids
        else:
            done = pipeline.replay(ids)
    except pipeline.AWAY as error:
        messages.error(request, f"Not all was done: {error}")
        return
    messages.success(request, f"{DONE[action]}: {len(done)} of {len(ids)}.")


def _name(id: str, letter: Letter | None) -> str:
    return f"dead letter {id} ({letter.task})" if letter and letter.task else f"dead letter {id}"
