"""API tokens: made, looked at and revoked here. What is secret is shown once, on the page that answers."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache

from project.accounts import tokens
from project.accounts.models import ApiToken

SCOPES = ["may_read", "may_request"]
MADE = ["prefix", "created_at", "last_used_at", "revoked_at"]


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    list_display = ["name", *SCOPES, *MADE]
    list_filter = [*SCOPES, ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "prefix"]
    actions = ["revoke", "renew_webhook_secret"]

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[Any]:
        return ["name", *SCOPES, *(MADE if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[Any]:
        return MADE

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        if change:
            # Not the other columns: it may just have been revoked or used.
            obj.save(update_fields=["name", *SCOPES])
            return
        request.new_secret = obj.make_secret()  # type: ignore[attr-defined]
        obj.save()

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Not by a message, which would put the secret into a cookie."""
        secrets = {"Token": request.new_secret, "Webhook secret": obj.webhook_secret}  # type: ignore[attr-defined]
        return self._show_once(request, obj, secrets)

    @admin.action(description="Revoke selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        revoked = [token for token in queryset if tokens.revoke(token)]
        for token in revoked:
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"{len(revoked)} revoked.", messages.SUCCESS)

    @admin.action(description="Make a new webhook secret", permissions=["change"])
    def renew_webhook_secret(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> HttpResponse | None:
        token = queryset.first()
        if token is None or queryset.count() > 1:
            self.message_user(request, "Select one token: its new secret is shown once.", messages.WARNING)
            return None
        secret = tokens.renew_webhook_secret(token)
        self.log_change(request, token, "New webhook secret.")
        return self._show_once(request, token, {"Webhook secret": secret})

    def _show_once(self, request: HttpRequest, token: ApiToken, secrets: dict[str, str]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"API token: {token.name}",
            "token": token,
            "secrets": secrets,
        }
        return never_cache(TemplateResponse)(request, "admin/accounts/apitoken/shown_once.html", context)
