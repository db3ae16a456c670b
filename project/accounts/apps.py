"""The application of API tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "project.accounts"
    label = "accounts"
    verbose_name = "API access"

    def ready(self) -> None:
        # Each registers what it defines: system checks, the OpenAPI name of the authentication.
        from project.accounts import checks, schema  # noqa: F401
