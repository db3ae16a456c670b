"""Makes an API token where there is no browser for the admin."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from project.accounts import tokens
from project.accounts.models import ApiToken

SCOPES = {"read", "request"}


class Command(BaseCommand):
    help = "Makes an API token and prints it, once; or revokes those of a name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--scopes", default="read,request", help="read, request or both, with a comma")
        parser.add_argument("--revoke", action="store_true", help="revoke the tokens of this name instead")

    def handle(self, *args: Any, name: str, scopes: str, revoke: bool, **options: Any) -> None:
        if revoke:
            count = sum(tokens.revoke(token) for token in ApiToken.objects.filter(name=name, revoked_at=None))
            self.stdout.write(f"{count} revoked")
            return
        wanted = {scope.strip() for scope in scopes.split(",")}
        if not wanted <= SCOPES:
            raise CommandError(f"--scopes {scopes}: use read, request or both")
        _, secret = ApiToken.objects.issue(name, may_read="read" in wanted, may_request="request" in wanted)
        self.stdout.write(secret)
