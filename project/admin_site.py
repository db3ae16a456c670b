"""The admin site: Django's own, with a dashboard and the dead letters.

Not in project.admin: what is there registers itself with this site, so the site has to come first.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.cache import never_cache


class Site(admin.AdminSite):
    site_title = site_header = "Bank of Russia rates"
    index_template = "project/admin/index.html"

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # Not above: this module is imported before the models are.
        from project.admin import dashboard, dead_letters

        own = [
            path("dashboard/", self.admin_view(never_cache(dashboard.dashboard)), name="dashboard"),
            path("dead-letters/", self.admin_view(never_cache(dead_letters.listed)), name="dead-letters"),
            path("dead-letters/handle/", self.admin_view(never_cache(dead_letters.handle)), name="dead-letters-handle"),
        ]
        return [*own, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "may_see_dashboard": may_look(request)}


def may_look(request: HttpRequest) -> bool:
    """Who may see the request log may see its figures."""
    return request.user.has_perm("notifier.view_raterequest")
