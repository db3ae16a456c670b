"""The API's root: one router, so that the browsable root lists every resource, and its documentation."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.routers import DefaultRouter

from notifier.api import RateRequestViewSet
from rates.api import CurrencyViewSet, RateViewSet

router = DefaultRouter()
router.register("rate-requests", RateRequestViewSet, basename="rate-request")
router.register("rates", RateViewSet, basename="rate")
router.register("currencies", CurrencyViewSet, basename="currency")

urlpatterns = [
    *router.urls,
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
]
