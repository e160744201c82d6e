"""Who may call, whose channels are seen, and how often one may ask."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions import access
from sessions.access import authenticate_key, client_address, key_owner, origin_is_allowed
from sessions.operator_tables import KeyGrant
from tests.unit.web_site import KEY_A, KEY_B, Configure, Site, configure, site  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db

CALLS_PER_MINUTE = 30

ROUTES = [
    ("post", "/v1/api/generate", {"channel_name": "room"}),
    ("post", "/v1/api/start", {"channel_name": "room", "graph_name": "voice"}),
    ("post", "/v1/api/stop", {"channel_name": "room"}),
    ("post", "/v1/api/ping", {"channel_name": "room"}),
    ("get", "/v1/api/list", None),
    ("get", "/v1/api/graphs", None),
    ("post", "/v1/realtime/client_secrets", {}),
]


@pytest.fixture
def closed(configure: Configure) -> Configure:
    configure(auth="required")
    return configure


def _call(caller: Site, method: str, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    return caller.get(path, **headers) if method == "get" else caller.post(path, body, **headers)


def _code(body: dict[str, Any]) -> str:
    code: str = body["error"]["code"] if "error" in body else body["code"]
    return code


# --- keys and users -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY_A}", f"Bearer {KEY_A}x", "Bearer \xff"]
)
@pytest.mark.usefixtures("closed")
def test_a_stranger_is_401_everywhere(method: str, path: str, body: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    status, answer = _call(Site(), method, path, body, **headers)
    assert (status, _code(answer)) == (401, "10401")


@pytest.mark.usefixtures("closed")
def test_a_stranger_is_asked_for_a_bearer_key() -> None:
    assert Client().get("/v1/api/list")["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "body"), [route for route in ROUTES if "stop" not in route[1] and "ping" not in route[1]]
)
@pytest.mark.usefixtures("closed")
def test_a_key_opens_every_route(method: str, path: str, body: Any) -> None:
    assert _call(Site(KEY_A), method, path, body)[0] == 200


@pytest.mark.usefixtures("closed")
def test_another_keys_channel_is_answered_exactly_like_an_unknown_one() -> None:
    owner, stranger = Site(KEY_A), Site(KEY_B)
    owner.start("room")
    for path in ("stop", "ping"):
        theirs = stranger.post(f"/v1/api/{path}", {"channel_name": "room"})
        unknown = stranger.post(f"/v1/api/{path}", {"channel_name": "nowhere"})
        assert theirs == unknown
        assert theirs[0] == 404
    assert stranger.get("/v1/api/list")[1]["data"] == []
    assert len(owner.get("/v1/api/list")[1]["data"]) == 1


@pytest.mark.usefixtures("closed")
def test_no_ticket_is_given_for_another_owners_running_channel() -> None:
    Site(KEY_A).start("room")
    assert Site(KEY_A).generate(channel_name="room")[0] == 200
    status, body = Site(KEY_B).generate(channel_name="room")
    assert (status, body["code"]) == (409, "10003")


@pytest.mark.usefixtures("closed")
def test_rows_and_tickets_know_a_key_by_its_hash_only() -> None:
    assert KEY_A not in key_owner(KEY_A)
    assert key_owner(KEY_A) != key_owner(KEY_B)
    assert authenticate_key(KEY_A) == KeyGrant(key_owner(KEY_A))
    assert authenticate_key("") is authenticate_key("\ud800") is None


def test_in_open_mode_any_key_will_do(site: Site) -> None:
    assert authenticate_key("sk-anything") == KeyGrant(access.OPEN_OWNER)
    assert Site("sk-anything").get("/v1/api/list")[0] == 200


def _signed_in() -> Site:
    User.objects.create_user("ada", password="a long password")
    user = Site()
    assert user.client.login(username="ada", password="a long password")
    return user


@pytest.mark.usefixtures("closed")
def test_a_signed_in_user_needs_the_csrf_token_to_change_anything() -> None:
    user = _signed_in()
    status, body = user.start("room")
    assert (status, body["code"]) == (403, "10403")
    assert user.get("/v1/api/list")[0] == 200


@pytest.mark.usefixtures("closed")
def test_a_signed_in_user_with_the_csrf_token_starts_a_channel_of_their_own() -> None:
    user = _signed_in()
    user.client.get("/")
    user.headers["X-CSRFToken"] = user.client.cookies["csrftoken"].value
    assert user.start("room")[0] == 200
    assert [item["channelName"] for item in user.get("/v1/api/list")[1]["data"]] == ["room"]
    assert Site(KEY_A).get("/v1/api/list")[1]["data"] == []


# --- origin, host, front door ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://testserver.evil.example",
        "http://testserver:8001",
        "null",
        "",
        "testserver",
        "file://",
        "chrome-extension://testserver",
        "http://evil.example/testserver",
        "http://[",
        "http://user@testserver",
    ],
)
@pytest.mark.parametrize("auth", ["open", "required"])
def test_a_strange_origin_is_403_and_gets_no_cors_header(configure: Configure, origin: str, auth: str) -> None:
    configure(auth=auth)
    response = Client().post(
        "/v1/api/generate",
        {},
        content_type="application/json",
        headers={"Origin": origin, "Authorization": f"Bearer {KEY_A}"},
    )
    assert (response.status_code, response.json()["code"]) == (403, "10403")
    assert "Access-Control-Allow-Origin" not in response


@pytest.mark.parametrize("origin", ["http://testserver", "https://testserver", "HTTP://TESTSERVER"])
def test_our_own_origin_may_call(site: Site, origin: str) -> None:
    assert site.post("/v1/api/generate", {}, Origin=origin)[0] == 200


def test_a_listed_origin_may_call_from_elsewhere_without_cookies(site: Site, configure: Configure) -> None:
    configure(allowed_origins=("https://app.example",))
    response = site.client.get("/v1/api/list", headers={"Origin": "https://app.example"})
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Credentials" not in response
    assert "Origin" in response["Vary"]


def test_a_preflight_is_answered_for_listed_origins_alone(site: Site, configure: Configure) -> None:
    configure(allowed_origins=("https://app.example",))
    headers = {"Access-Control-Request-Method": "POST", "Origin": "https://app.example"}
    allowed = site.client.options("/v1/api/start", headers=headers)
    assert (allowed.status_code, allowed["Access-Control-Allow-Headers"]) == (204, "Authorization, Content-Type")
    refused = site.client.options("/v1/api/start", headers={**headers, "Origin": "https://evil.example"})
    assert refused.status_code == 405
    assert "Access-Control-Allow-Origin" not in refused


def test_a_strange_host_is_400(site: Site) -> None:
    assert site.client.get("/v1/api/list", headers={"Host": "evil.example"}).status_code == 400


def test_an_origin_that_only_equals_a_strange_host_is_not_ours(configure: Configure) -> None:
    assert origin_is_allowed("http://testserver", "testserver")
    assert not origin_is_allowed("http://evil.example", "evil.example")


def test_the_front_doors_secret_is_asked_for_except_for_health(site: Site, configure: Configure) -> None:
    configure(origin_secret="front-door-secret")
    for headers in ({}, {"X-Origin-Secret": "wrong"}, {"X-Origin-Secret": "front-door-secret "[:-2]}):
        assert site.client.get("/v1/api/list", headers=headers).status_code == 403
    assert site.client.get("/", headers={}).status_code == 403
    assert site.client.get("/livez").status_code == 200
    assert site.client.get("/v1/api/list", headers={"X-Origin-Secret": "front-door-secret"}).status_code == 200


# --- addresses and rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, ["1.1.1.1"], "9.9.9.9"),
        (1, [], "9.9.9.9"),
        (1, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        (2, ["6.6.6.6, 1.1.1.1, 10.0.0.1"], "1.1.1.1"),
        (2, ["1.1.1.1"], "9.9.9.9"),
        (1, ["not an address"], "9.9.9.9"),
        (1, ["2001:DB8::1"], "2001:db8::1"),
    ],
)
def test_a_clients_address_is_read_from_the_right(
    configure: Configure, hops: int, forwarded: list[str], address: str
) -> None:
    configure(trusted_hops=hops)
    assert client_address(forwarded, "9.9.9.9") == address


def _statuses(caller: Site, count: int, **headers: str) -> list[int]:
    return [caller.post("/v1/api/generate", {}, **headers)[0] for _ in range(count)]


@pytest.mark.usefixtures("closed")
def test_the_thirty_first_call_of_a_minute_is_429_for_that_key_alone() -> None:
    assert _statuses(Site(KEY_A), CALLS_PER_MINUTE) == [200] * CALLS_PER_MINUTE
    response = Site(KEY_A).post_raw("/v1/api/generate", b"{}")
    assert (response.status_code, response.json()["code"]) == (429, "10429")
    assert 0 < int(response["Retry-After"]) <= 60
    assert _statuses(Site(KEY_B), 1) == [200]
    assert Site(KEY_A).start("room")[0] == 200


def test_in_open_mode_the_address_is_counted_and_cannot_be_forged(site: Site, configure: Configure) -> None:
    configure(trusted_hops=1)
    forged = [f"{number}.2.3.4, 1.1.1.1" for number in range(CALLS_PER_MINUTE)]
    assert [site.post("/v1/api/generate", {}, **{"X-Forwarded-For": line})[0] for line in forged] == [
        200
    ] * CALLS_PER_MINUTE
    assert _statuses(site, 1, **{"X-Forwarded-For": "1.1.1.1"}) == [429]
    assert _statuses(site, 1, **{"X-Forwarded-For": "2.2.2.2"}) == [200]
