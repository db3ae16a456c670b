"""Where everything is: the pages, the API with its documentation, the admin."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from notifier.api import RateRequestViewSet
from project.pages import currency, home, sending, status

urlpatterns = [
    path("", home.home, name="page"),
    re_path(r"^rates/(?P<code>[A-Za-z]{3})/$", currency.currency, name="currency"),
    re_path(r"^rates/(?P<code>[A-Za-z]{3})/chart\.svg$", currency.picture, name="currency-chart"),
    path("requests/", sending.send, name="send"),
    path("requests/<uuid:id>/", sending.progress, name="request"),
    # What browsers ask for beside pages that name no icon, such as the API's and the admin's.
    path("favicon.ico", RedirectView.as_view(url=lazy(static, str)("pages/icon.svg")), name="favicon"),
    path("status", status.status, name="status"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("project.api")),
    # The address of the service that this project grew out of: no trailing slash and no redirect.
    path("currency-info", RateRequestViewSet.as_view({"post": "create"}), name="currency-info"),
]

handler500 = "project.unavailable.server_error"
