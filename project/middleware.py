"""What holds for every answer of the service."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def errors_are_not_cached(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """An error is over when its cause is: no client or proxy may go on telling it."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code >= 400:
            response["Cache-Control"] = "no-store"
        return response

    return answer
