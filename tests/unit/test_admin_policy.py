"""The operators' door: where it answers, how often one may try to sign in, which pages may call it, and what they may run."""

from typing import Any

import pytest
from django.test import Client

from sessions.admin.policy import is_open_to
from sessions.models import Session, SessionState
from sessions.sign_in import ATTEMPTS_PER_MINUTE
from tests.unit.operator_rows import person, talk
from tests.unit.web_site import KEY_A, Configure, Site, configure  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db
STRANGERS = (
    "https://evil.example",
    "http://evil.example",
    "https://testserver.evil.example",
    "https://eviltestserver",
    "http://testserver:81",
    "https://testserver",
    "null",
    "file://",
    "https://testserver@evil.example",
    "chrome-extension://abcdef",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
API_PATHS = ("/v1/api/generate", "/v1/api/start", "/v1/api/stop", "/v1/api/ping", "/v1/api/list", "/v1/api/graphs")


@pytest.mark.parametrize(
    ("host", "peer", "is_forwarded", "is_open"),
    [
        ("localhost:8000", "127.0.0.1", False, True),
        ("localhost", "::1", False, True),
        ("localhost", "127.0.0.1", True, False),
        ("localhost", "10.0.0.7", False, False),
        ("nova.example.org", "10.0.0.7", True, False),
        ("admin.example.org", "10.0.0.7", True, True),
        ("ADMIN.example.org:443", "10.0.0.7", True, True),
    ],
)
def test_db_06_the_admin_answers_on_this_machine_and_at_its_own_hosts_alone(
    host: str, peer: str, is_forwarded: bool, is_open: bool, configure: Configure
) -> None:
    configure(admin_hosts=("admin.example.org",))
    assert is_open_to(host, peer, is_forwarded=is_forwarded) == is_open


def test_db_06_from_outside_the_admin_is_no_page_at_all(configure: Configure) -> None:
    configure(auth="required")
    client = Client()
    for path in ("/admin/", "/admin/login/", "/admin/nova_sessions/session/"):
        assert client.get(path, headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 404
    assert client.get("/sign-in/", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 200


@pytest.mark.parametrize("path", ["/admin/login/", "/sign-in/"])
def test_db_06_passwords_are_tried_five_times_a_minute(path: str, configure: Configure) -> None:
    configure(auth="required")
    client = Client()
    tries = [client.post(path, {"username": "ada", "password": "x"}) for _ in range(ATTEMPTS_PER_MINUTE + 2)]
    assert [answer.status_code for answer in tries] == [200] * ATTEMPTS_PER_MINUTE + [429, 429]
    assert 0 < int(tries[-1].headers["Retry-After"]) <= 60


def test_db_06_the_limit_holds_for_an_account_from_many_addresses(configure: Configure) -> None:
    configure(auth="required")
    codes = [
        Client(REMOTE_ADDR=f"127.0.0.{number}").post("/admin/login/", {"username": "Ada", "password": "x"}).status_code
        for number in range(1, ATTEMPTS_PER_MINUTE + 2)
    ]
    assert codes[-1] == 429


def test_nobody_signs_in_while_nobody_can_count(configure: Configure) -> None:
    configure(auth="required", redis_url="redis://127.0.0.1:1/0")
    assert Client().post("/admin/login/", {"username": "ada", "password": "x"}).status_code == 503


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/nova_sessions/session/", "/admin/nowhere/"])
def test_db_04_the_admins_policy_allows_no_inline_script_or_style(path: str, configure: Configure) -> None:
    configure(auth="required")
    client = Client()
    client.force_login(person("root"))
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


# --- HT-08 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stop", "say", "whisper", "erase"])
def test_ht_08_an_act_without_the_csrf_token_is_not_done(name: str, configure: Configure) -> None:
    configure(auth="required")
    session = talk(state=SessionState.STARTED)
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("root"))
    path = f"/admin/nova_sessions/session/{session.id}/{name}/"
    assert client.post(path, {"text": "x"}).status_code == 403
    assert Session.objects.get().state == SessionState.STARTED


@pytest.mark.parametrize("name", ["stop", "say", "whisper"])
def test_ht_08_an_act_is_done_by_post_alone(name: str, configure: Configure) -> None:
    configure(auth="required")
    session = talk(state=SessionState.STARTED)
    client = Client()
    client.force_login(person("root"))
    assert client.get(f"/admin/nova_sessions/session/{session.id}/{name}/").status_code == 405


@pytest.mark.parametrize("origin", STRANGERS)
def test_ht_08_a_strangers_page_gets_no_cors_header_from_anything(origin: str, configure: Configure) -> None:
    configure(auth="required")
    client = Client()
    client.force_login(person("root"))
    preflight = {"Access-Control-Request-Method": "POST", "Origin": origin}
    for path in (*API_PATHS, "/v1/realtime/client_secrets", "/admin/", "/admin/figures/", "/sign-in/", "/"):
        for method in METHODS:
            headers = preflight if method == "OPTIONS" else {"Origin": origin}
            answer = client.generic(method, path, headers=headers)
            found = [name for name in answer.headers if name.lower().startswith("access-control-allow")]
            assert found == [], (method, path)


def test_ht_08_a_listed_origin_gets_itself_and_never_credentials(configure: Configure) -> None:
    configure(auth="required", allowed_origins=("https://shop.example",))
    answer: Any = Client().get(
        "/v1/api/list", headers={"Origin": "https://shop.example", "Authorization": f"Bearer {KEY_A}"}
    )
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert (
        "Access-Control-Allow-Origin" not in Client().get("/admin/", headers={"Origin": "https://shop.example"}).headers
    )


# --- HT-07 on the API -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["stop", "ping"])
def test_ht_07_anothers_channel_answers_as_an_unknown_one(path: str, configure: Configure) -> None:
    configure(auth="required")
    owner, stranger = Site(KEY_A), Site("key-b-0123456789abcdef")
    assert owner.start("room")[0] == 200
    theirs = stranger.post(f"/v1/api/{path}", {"channel_name": "room"})
    unknown = stranger.post(f"/v1/api/{path}", {"channel_name": "nowhere"})
    assert theirs == unknown
    assert theirs[0] == 404
    assert stranger.get("/v1/api/list")[1]["data"] == []


def test_ht_07_an_operators_account_is_no_key_to_anothers_channel(configure: Configure) -> None:
    configure(auth="required")
    Site(KEY_A).start("room")
    client = Client()
    client.force_login(person("root"))
    assert client.get("/v1/api/list").json()["data"] == []
