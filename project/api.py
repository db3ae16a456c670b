"""The API's root: one router, so that the browsable root lists every resource, and its documentation."""

from typing import Any

from django.urls import include, path, re_path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import APIRootView, DefaultRouter
from rest_framework.views import APIView

from notifier.api import RateRequestViewSet
from rates.api.views import CurrencyViewSet, RateViewSet


class Root(APIRootView):
    """Rates of the Bank of Russia, and requests that send one by Telegram."""

    name = "API"

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().get(request, *args, **kwargs)
        for name in ("convert", "status"):
            response.data[name] = reverse(name, request=request)
        response.data["docs"] = reverse("docs", request=request)
        return response


class Router(DefaultRouter):
    APIRootView = Root


@extend_schema(exclude=True)
class Nothing(APIView):
    """There is nothing at this address."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is nothing at this address.")


router = Router()
router.register("rate-requests", RateRequestViewSet, basename="rate-request")
router.register("rates", RateViewSet, basename="rate")
router.register("currencies", CurrencyViewSet, basename="currency")

urlpatterns = [
    *router.urls,
    path("", include("rates.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    # In the client's format, not Django's page. Only with the slash at the end: without it, it is added first, but not
    # to the name of a picture. `.` would leave out line ends.
    re_path(r"^[\s\S]*(?:/|\.svg|\.png)$", Nothing.as_view(), name="nothing"),
]
