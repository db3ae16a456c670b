"""Django's admin, with the site of this project for all that registers itself there."""

from django.contrib.admin.apps import AdminConfig as DjangosAdminConfig


class AdminConfig(DjangosAdminConfig):
    default_site = "project.admin_site.Site"
