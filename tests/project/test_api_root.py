"""The API's root, its documentation, and addresses where there is nothing."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return Client()


def test_the_root_names_every_resource_and_the_documentation(client: Client) -> None:
    root = client.get("/api/v1/").json()
    assert set(root) == {"rate-requests", "rates", "currencies", "convert", "status", "docs"}
    for address in root.values():
        # Nothing is stored, converting needs an amount, and the list of requests a token.
        assert client.get(address).status_code in (200, 400, 401, 404), address
    assert client.get(root["docs"]).status_code == 200


def test_the_documentation_names_no_outside_host(client: Client) -> None:
    page = client.get("/api/v1/docs/").content.decode()
    assert "https://" not in page
    assert "//cdn" not in page


@pytest.mark.parametrize("path", ["rates/%0A/", "rates/DOLLAR/chart.png", "rates/%E2%82%AC/chart.svg"])
def test_what_is_no_code_is_a_404_at_once(client: Client, path: str) -> None:
    """Not a redirect to a picture's name with a slash behind it, and no page of Django's."""
    answer = client.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_is_a_404_in_the_clients_format(client: Client, method: str) -> None:
    answer = getattr(client, method)("/api/v1/nothing/here/", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json() == {"code": "not_found", "detail": "There is nothing at this address."}
    assert answer.headers["X-Error-Code"] == "not_found"


def test_the_schema_names_the_token_and_does_not_ask_for_it(client: Client) -> None:
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {"token": []} in schema["paths"]["/api/v1/rate-requests/"]["post"]["security"]
    assert {} in schema["paths"]["/api/v1/rate-requests/"]["post"]["security"]
    assert "/api/v1/rate-requests/" in schema["paths"]
    assert not any("nothing" in path for path in schema["paths"])
