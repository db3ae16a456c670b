"""The OpenAPI document is whole: no view that it could not read, no warning."""

import io

import pytest
from django.core.management import call_command
from django.test import Client

pytestmark = pytest.mark.django_db


def test_it_is_valid_and_nothing_is_guessed() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null", stdout=io.StringIO())


def test_it_names_every_address_of_rates(client: Client) -> None:
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    for path in ("rates/", "currencies/", "convert/", "status/"):
        assert f"/api/v1/{path}" in schema["paths"]
    for path in ("", "history/", "chart.svg", "chart.png"):
        assert f"/api/v1/rates/{{char_code}}/{path}" in schema["paths"]
