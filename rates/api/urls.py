"""The addresses of rates that are no plain resources; the resources are registered in project/api.py."""

from django.urls import re_path

from rates.api.history import HistoryView, PngView, SvgView
from rates.api.views import ConvertView, StatusView

CURRENCY = r"^rates/(?P<char_code>[A-Za-z]{3})"
urlpatterns = [
    re_path(rf"{CURRENCY}/history/$", HistoryView.as_view(), name="rate-history"),
    re_path(rf"{CURRENCY}/chart\.svg$", SvgView.as_view(), name="rate-chart-svg"),
    re_path(rf"{CURRENCY}/chart\.png$", PngView.as_view(), name="rate-chart-png"),
    re_path(r"^convert/$", ConvertView.as_view(), name="convert"),
    re_path(r"^status/$", StatusView.as_view(), name="status"),
]
