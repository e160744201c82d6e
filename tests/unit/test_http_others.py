"""The doors beside the API: the reference's bare paths, OpenAI's client secrets, health, and the page."""

import time
from typing import Any

import pytest
from django.db import OperationalError
from openai.types.realtime import ClientSecretCreateResponse

from sessions.http import health
from sessions.http.health import Readiness
from sessions.models import Session
from sessions.rtc_tokens.session_wishes import read_wishes
from sessions.rtc_tokens.socket_ticket import read_ticket
from tests.unit.web_site import APP_ID, CERTIFICATE, KEY_A, Configure, Site, configure, site  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db

DEAD_REDIS = "redis://127.0.0.1:1/0"


# --- the reference server's bare paths ------------------------------------------------------------------------------


def test_the_references_clients_hold_their_conversation(site: Site, configure: Configure) -> None:
    configure(agora_app_id=APP_ID, agora_app_certificate=CERTIFICATE)
    call = {"request_id": "r", "channel_name": "agora_abc123"}
    _, token = site.post("/token/generate", {**call, "uid": 123456})
    assert set(token["data"]) == {"appId", "token", "channel_name", "uid"}
    assert token["data"]["token"].startswith("007")
    start = {
        **call,
        "user_uid": 123456,
        "graph_name": "va_nova_multimodal_aws",
        "language": "en-US",
        "voice_type": "male",
    }
    assert site.post("/start", start) == (200, {"code": "0", "msg": "success", "data": None})
    _, listed = site.get("/list")
    assert [set(item) for item in listed["data"]] == [{"channelName", "createTs"}]
    assert site.post("/ping", call)[1]["code"] == "0"
    assert site.post("/stop", call)[1]["code"] == "0"
    assert site.get("/list")[1]["data"] == []
    assert site.get("/health")[1]["code"] == "0"
    assert site.get("/graphs")[1]["data"][0] == {"name": "voice", "uuid": "voice", "auto_start": False}


def test_unknown_properties_are_ignored_and_never_kept(site: Site) -> None:
    properties = {"tts": {"voice": "Zhiyu", "key": "secret"}, "coze": {"token": "secret"}}
    site.post("/start", {"channel_name": "room", "graph_name": "va_nova_multimodal_aws", "properties": properties})
    assert Session.objects.get().overrides == {"tts": {"voice": "Zhiyu"}}


@pytest.mark.parametrize(
    ("path", "body", "code", "data"),
    [
        ("/start", {"channel_name": " ", "graph_name": "voice"}, "10004", 400),
        ("/start", {"channel_name": "room", "graph_name": "nobody"}, "10100", 400),
        ("/start", {"channel_name": "room"}, "10000", 400),
        ("/stop", {"channel_name": "nowhere"}, "10002", 400),
        ("/ping", {"channel_name": "nowhere"}, "10002", 400),
        ("/ping", {}, "10004", 400),
        ("/token/generate", {"channel_name": "room", "uid": -1}, "10000", 400),
    ],
)
def test_errors_are_200_with_the_number_in_the_data(
    site: Site, path: str, body: dict[str, Any], code: str, data: int
) -> None:
    status, answer = site.post(path, body)
    assert (status, answer["code"], answer["data"]) == (200, code, data)


def test_a_taken_channel_and_a_full_house_in_the_references_style(site: Site, configure: Configure) -> None:
    configure(sessions_max=1)
    body = {"channel_name": "room", "graph_name": "voice"}
    site.post("/start", body)
    assert site.post("/start", body)[1]["code"] == "10003"
    full = site.post("/start", {**body, "channel_name": "other"})[1]
    assert (full["code"], full["data"]) == ("10001", 429)


@pytest.mark.parametrize("path", ["/list", "/graphs", "/health"])
def test_the_bare_paths_do_not_exist_when_keys_are_required(site: Site, configure: Configure, path: str) -> None:
    configure(auth="required")
    assert site.client.get(path, headers={"Authorization": f"Bearer {KEY_A}"}).status_code == 404


def test_a_strange_page_cannot_use_the_bare_paths(site: Site) -> None:
    body = {"channel_name": "room", "graph_name": "voice"}
    assert site.post("/start", body, Origin="https://evil.example")[1]["code"] == "10403"
    assert not Session.objects.exists()


# --- client secrets -------------------------------------------------------------------------------------------------


def test_a_client_secret_has_openais_shape(site: Site) -> None:
    wishes = {"type": "realtime", "model": "gpt-realtime", "audio": {"output": {"voice": "marin"}}}
    status, body = site.post("/v1/realtime/client_secrets", {"session": wishes})
    assert status == 200
    parsed = ClientSecretCreateResponse.model_validate(body)
    assert parsed.session.type == "realtime"
    assert body["session"]["audio"]["output"]["voice"] == "marin"
    ticket = read_ticket(parsed.value)
    assert (ticket.expires_at, ticket.starts_itself) == (parsed.expires_at, True)
    assert ticket.channel == body["session"]["id"]
    assert read_wishes(ticket.wishes_id) == wishes


def test_what_openais_clients_send_beside_is_passed_over(site: Site) -> None:
    wishes = {"tracing": "auto", "truncation": "auto", "include": None, "prompt": None, "tool_choice": "auto"}
    assert site.post("/v1/realtime/client_secrets", {"session": wishes})[0] == 200


def test_a_client_secret_may_live_shorter_but_not_longer_than_ten_minutes(site: Site) -> None:
    for wanted, given in ((60, 60), (7_200, 600)):
        expires_after = {"anchor": "created_at", "seconds": wanted}
        _, body = site.post("/v1/realtime/client_secrets", {"expires_after": expires_after})
        assert given - 2 <= body["expires_at"] - time.time() <= given + 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"seconds": 5}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "never"}}, "expires_after.anchor"),
        ({"session": 7}, "session"),
        ({"session": {"type": "transcription"}}, "session.type"),
        ({"session": {"voice": 5}}, "session.voice"),
        ({"session": {"audio": {"output": {"voice": 5}}}}, "session.audio.output.voice"),
        (
            {"session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 7}}}}},
            "session.audio.input.format.rate",
        ),
        ({"session": {"tools": [{"name": "a b"}]}}, "session.tools[0].name"),
        ({"session": {"tool_choice": "sometimes"}}, "session.tool_choice.type"),
        ({"session": {"instructions": 7}}, "session.instructions"),
    ],
)
def test_a_bad_client_secret_call_is_answered_in_openais_style(site: Site, body: Any, param: str) -> None:
    status, answer = site.post("/v1/realtime/client_secrets", body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert answer["error"]["param"] == param


# --- health ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def readiness(monkeypatch: pytest.MonkeyPatch) -> Readiness:
    fresh = Readiness()
    monkeypatch.setattr(health, "READINESS", fresh)
    return fresh


@pytest.mark.usefixtures("readiness")
def test_a_whole_process_is_alive_and_ready_whatever_host_is_asked_for(site: Site) -> None:
    for path in ("/livez", "/readyz"):
        response = site.client.get(path, headers={"Host": "10.1.2.3:8000"})
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.usefixtures("readiness")
def test_without_redis_a_process_lives_but_is_not_ready(site: Site, configure: Configure) -> None:
    configure(redis_url=DEAD_REDIS)
    assert site.get("/readyz") == (503, {"status": "unavailable", "reason": "redis"})
    assert site.get("/livez")[0] == 200


def test_readiness_is_asked_again_after_a_second(
    readiness: Readiness, configure: Configure, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_seconds = 1_000.0
    monkeypatch.setattr("sessions.http.health.time.monotonic", lambda: now_seconds)
    assert readiness.reason() is None
    configure(redis_url=DEAD_REDIS)
    assert readiness.reason() is None
    now_seconds += health.CACHED_SECONDS
    assert readiness.reason() == "redis"
    configure(redis_url=redis_url)
    now_seconds += health.CACHED_SECONDS
    assert readiness.reason() is None


def test_without_a_database_a_process_is_not_ready(
    readiness: Readiness, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Readiness) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(Readiness, "_check_database", fail)
    assert readiness.reason() == "database"


def test_a_database_that_was_not_migrated_is_not_ready(
    readiness: Readiness, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.http.health.MigrationExecutor.migration_plan", lambda *_: [("0001", False)])
    assert readiness.reason() == "migrations"


def test_a_process_that_ends_says_so(readiness: Readiness, site: Site) -> None:
    health.start_draining()
    assert site.get("/readyz") == (503, {"status": "unavailable", "reason": "draining"})


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_brings_graphs_a_csrf_cookie_and_a_strict_policy(site: Site) -> None:
    response = site.client.get("/")
    assert response.status_code == 200
    assert "va_nova_multimodal_aws" in response.content.decode()
    assert "csrftoken" in response.cookies
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self' ws://testserver" in policy
    assert "microphone=(self)" in response["Permissions-Policy"]


def test_the_page_asks_for_a_sign_in_when_keys_are_required(site: Site, configure: Configure) -> None:
    configure(auth="required")
    response = site.client.get("/")
    assert response.status_code == 302
    assert response["Location"] == "/sign-in/?next=/"
    assert site.client.get("/sign-in/").status_code == 200
