"""Every refusal under /v1/ comes in the envelope: what Django and ninja answer by themselves too."""

from typing import Any

import pytest

from tests.unit.web_site import KEY_A, Configure, Site, configure  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db


@pytest.fixture
def site(configure: Configure) -> Site:
    configure(auth="required")
    return Site(KEY_A)


def refusal(response: Any) -> tuple[int, str, bool]:
    """Status, code and whether there is a text for people."""
    body = response.json()
    assert body["data"] is None
    return response.status_code, body["code"], bool(body["msg"])


@pytest.mark.parametrize("path", ["/v1/api/nothing", "/v1/", "/v1/nothing", "/v1/api/start/", "/v1/api/<script>"])
def test_a_path_that_is_not_there(site: Site, path: str) -> None:
    assert refusal(site.client.get(path, headers=site.headers)) == (404, "10404", True)


def test_a_method_that_is_not_there_and_those_that_are(site: Site) -> None:
    response = site.client.get("/v1/api/start", headers=site.headers)
    assert refusal(response) == (405, "10405", True)
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'{"a": NaN}', b"\xff", b'{"a":' * 5_000])
def test_a_body_that_is_no_json_object(site: Site, body: bytes) -> None:
    assert refusal(site.post_raw("/v1/api/start", body)) == (400, "10000", True)


def test_a_host_that_is_not_this_site(site: Site) -> None:
    response = site.client.get("/v1/api/list", headers={**site.headers, "Host": "evil.example"})
    assert refusal(response) == (400, "10000", True)


def test_a_stranger(site: Site) -> None:
    response = site.client.get("/v1/api/list")
    assert refusal(response) == (401, "10401", True)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_page_from_elsewhere(site: Site) -> None:
    response = site.client.get("/v1/api/list", headers={**site.headers, "Origin": "https://evil.example"})
    assert refusal(response) == (403, "10403", True)


def test_who_came_round_the_front_door(site: Site, configure: Configure) -> None:
    configure(auth="required", origin_secret="front")
    assert refusal(site.client.get("/v1/api/list", headers=site.headers)) == (403, "10403", True)


def test_openais_paths_answer_in_openais_shape(site: Site) -> None:
    response = site.client.get("/v1/realtime/client_secrets", headers=site.headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (405, "10405", "invalid_request_error")


def test_pages_outside_the_api_keep_their_own_answers(site: Site) -> None:
    assert not site.client.get("/nothing").headers["Content-Type"].startswith("application/json")
