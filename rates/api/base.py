"""What all addresses of rates share: checked parameters, errors with codes, ETag and Cache-Control."""

import hashlib
import time
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template import loader
from django.utils import timezone
from django.utils.cache import get_conditional_response
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rates import responses, schedule, store
from rates.api.errors import BadParameters
from rates.api.queries import Query

# Headers of an answer that are kept with it.
KEPT = ("Content-Type", "ETag", "Vary", "Link", "Content-Disposition")


class Page(BrowsableAPIRenderer):
    """The browsable page with the form of the address' own parameters."""

    def get_filter_form(self, data: Any, view: Any, request: Request) -> str | None:
        form = view.query_form() if getattr(view, "query_form", None) else None
        if form is None:
            return None
        # With what was asked, its errors too; empty where nothing was, so that nothing is said to be missing.
        shown = type(form)(request.query_params) if request.query_params else form
        return loader.get_template("rates/query_form.html").render({"form": shown})

    def show_form_for_method(self, view: Any, method: str, request: Request, obj: Any) -> bool:
        return False


class RatesView(APIView):
    """Anyone may read, and what is told depends on nobody's session: so caches may keep it."""

    authentication_classes = []
    renderer_classes: list[Any] = [JSONRenderer, Page]
    query_form: type[Query] | None = None
    # Whether whole answers are kept in Redis.
    kept = True

    def query(self) -> dict[str, Any]:
        """The checked parameters. Raises BadParameters."""
        form = (self.query_form or Query)(self.request.query_params)
        if not form.is_valid():
            raise BadParameters(form.errors)
        return form.cleaned_data

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(response.data, dict) and "code" not in response.data:
            response.data["code"] = getattr(exc, "default_code", "not_found")
        return response

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if request.method not in {"GET", "HEAD"} or not self.kept:
            return _conditional(request, self._finished(request, super().dispatch(request, *args, **kwargs)))
        accept = request.headers.get("Accept", "")
        key = responses.key_of(request.scheme, request.get_host(), request.get_full_path(), accept)
        number, stored = responses.get(key)
        if stored:
            response: HttpResponse = HttpResponse(stored.body, headers=stored.headers)
            response["Cache-Control"] = cache_control(stored.until)
            return _conditional(request, response)
        response = self._finished(request, super().dispatch(request, *args, **kwargs))
        if number is not None and _is_kept(response):
            headers = {name: response[name] for name in KEPT if name in response}
            responses.put(key, number, responses.Stored(response.content, headers, valid_until()))
        return _conditional(request, response)

    def _finished(self, request: HttpRequest, response: Any) -> HttpResponse:
        """Rendered, with its ETag; errors and what is incomplete may not be kept by anybody."""
        if isinstance(response, Response):
            response.render()
        if response.status_code != 200 or request.method not in {"GET", "HEAD"}:
            response["Cache-Control"] = "no-store"
        elif "Cache-Control" not in response:
            is_page = isinstance(getattr(response, "accepted_renderer", None), BrowsableAPIRenderer)
            response["Cache-Control"] = "private, no-cache" if is_page else cache_control(valid_until())
            response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        return cast(HttpResponse, response)


def valid_until() -> float:
    """When a newer sheet may be there, as time.time() counts; 0 while one is due and has not come."""
    now = timezone.now()
    newest = store.newest_stored_date()
    if newest is None or newest < schedule.expected_sheet(now):
        return 0.0
    return schedule.next_publication(now).timestamp()


def cache_control(until: float) -> str:
    """Until then; briefly while a sheet is due."""
    seconds = max(int(until - time.time()), 0) if until else settings.RATE_CACHE_TTL_SECONDS
    return f"public, max-age={seconds}"


def _conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse | HttpResponseNotModified:
    found = get_conditional_response(request, etag=response.get("ETag"), response=response)
    return found or response


def _is_kept(response: HttpResponse) -> bool:
    return response.status_code == 200 and response.get("Cache-Control", "").startswith("public")
