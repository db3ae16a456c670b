"""Where everything is: the page, the API with its documentation, the admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("project.api")),
]
