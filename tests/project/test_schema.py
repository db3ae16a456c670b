"""The OpenAPI document is whole: no view that it could not read, no warning."""

import io
from collections.abc import Iterator
from typing import Any

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


def test_it_tells_what_is_there_and_in_which_form(client: Client) -> None:
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    paths, forms = schema["paths"], schema["components"]["schemas"]
    for kind in ("image/svg+xml", "image/png"):
        picture = paths[f"/api/v1/rates/{{char_code}}/chart.{kind[6:9]}"]["get"]
        assert list(picture["responses"]["200"]["content"]) == [kind]
    # It is there only where the asked day has no sheet of its own.
    assert "effective_date" not in forms["Rate"]["required"]
    assert {
        name: form["pattern"] for name, form in parameters(paths["/api/v1/convert/"]["get"]) if "pattern" in form
    } == {
        "amount": r"^[0-9]{1,15}(\.[0-9]{1,6})?$",
        "from": "^[A-Za-z]{3}$",
        "to": "^[A-Za-z]{3}$",
    }
    for operation in (one for path in paths.values() for one in path.values()):
        assert "406" in operation["responses"]
        assert ("415" in operation["responses"]) == ("requestBody" in operation)


def parameters(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for parameter in operation["parameters"]:
        yield parameter["name"], parameter["schema"]
