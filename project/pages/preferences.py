"""Language and colours: chosen by a link (?lang=en, ?theme=dark), remembered in a cookie."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as django_render
from django.utils.cache import patch_vary_headers

# The first is the default; "auto" is what the reader's system has.
CHOICES = {"lang": ("ru", "en"), "theme": ("auto", "light", "dark")}
YEAR = 365 * 24 * 3600


def preference(request: HttpRequest, name: str) -> str:
    """What the address says, else the cookie; anything unknown is the default."""
    for value in (request.GET.get(name), request.COOKIES.get(name)):
        if value in CHOICES[name]:
            return str(value)
    return CHOICES[name][0]


def render(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The page in the reader's language and colours; what was chosen by the address is remembered."""
    chosen = {name: preference(request, name) for name in CHOICES}
    response = django_render(request, template, {**context, **chosen}, status=status)
    for name, value in chosen.items():
        if request.GET.get(name) == value and request.COOKIES.get(name) != value:
            response.set_cookie(name, value, max_age=YEAR, samesite="Lax", httponly=True, secure=request.is_secure())
    # The same address is another page for another reader.
    patch_vary_headers(response, ["Cookie"])
    response.setdefault("Cache-Control", "private, no-cache")
    return response
