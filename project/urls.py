"""Where everything is: the page, the API with its documentation, the admin."""

from django.contrib import admin
from django.urls import include, path

from notifier.api import RateRequestViewSet
from rates.page import newest_rates

urlpatterns = [
    path("", newest_rates, name="page"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("project.api")),
    # The address of the service that this project grew out of: no trailing slash and no redirect.
    path("currency-info", RateRequestViewSet.as_view({"post": "create"}), name="currency-info"),
]

handler500 = "project.unavailable.server_error"
