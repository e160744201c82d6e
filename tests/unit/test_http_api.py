"""The HTTP API as its clients see it: envelope, codes, true statuses, and the field that was wrong."""

import json
import time
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessions import lifecycle
from sessions.models import Session
from sessions.rtc_tokens.access_token2 import verify_token
from sessions.rtc_tokens.socket_ticket import read_ticket
from tests.unit.web_site import APP_ID, CERTIFICATE, Configure, Site, configure, site  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db

UINT32_MAX = 4_294_967_295


def test_generate_gives_tickets_for_a_channel_of_128_random_bits(site: Site) -> None:
    answers = [site.generate(request_id="r", uid=7) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 200]
    body = answers[0][1]
    assert (body["code"], body["msg"]) == ("0", "success")
    data = body["data"]
    assert set(data) == {"appId", "channel_name", "uid", "token", "realtime"}
    assert (data["appId"], data["token"], data["uid"]) == (None, None, 7)
    assert len(bytes.fromhex(data["channel_name"].removeprefix("nova_"))) == 16
    assert data["channel_name"] != answers[1][1]["data"]["channel_name"]


def test_the_client_secret_is_bound_to_its_channel_for_ten_minutes(site: Site) -> None:
    _, body = site.generate(channel_name="room")
    realtime = body["data"]["realtime"]
    ticket = read_ticket(realtime["client_secret"])
    assert (ticket.channel, ticket.owner, ticket.expires_at) == ("room", "open", realtime["expires_at"])
    assert 590 < realtime["expires_at"] - time.time() <= 601


def test_the_socket_is_where_the_page_was_asked_for(site: Site) -> None:
    assert site.generate()[1]["data"]["realtime"]["url"] == "ws://testserver/v1/realtime"
    _, body = site.post("/v1/api/generate", {}, Host="localhost:8123")
    assert body["data"]["realtime"]["url"] == "ws://localhost:8123/v1/realtime"


@pytest.mark.parametrize("public_url", ["https://nova.example.org", "https://nova.example.org/"])
def test_the_socket_is_at_the_public_url_behind_a_load_balancer(
    site: Site, configure: Configure, public_url: str
) -> None:
    configure(public_url=public_url)
    assert site.generate()[1]["data"]["realtime"]["url"] == "wss://nova.example.org/v1/realtime"


@pytest.mark.parametrize("uid", [0, None])
def test_a_uid_is_chosen_when_none_is_given(site: Site, uid: int | None) -> None:
    _, body = site.generate(**({} if uid is None else {"uid": uid}))
    assert 1 <= body["data"]["uid"] <= UINT32_MAX


def test_with_an_agora_app_the_token_is_a_publishers(site: Site, configure: Configure) -> None:
    configure(agora_app_id=APP_ID, agora_app_certificate=CERTIFICATE)
    _, body = site.generate(channel_name="room", uid=UINT32_MAX)
    assert body["data"]["appId"] == APP_ID
    grant = verify_token(body["data"]["token"], CERTIFICATE, int(time.time()))
    assert (grant.channel_name, grant.account, grant.expire_seconds) == ("room", str(UINT32_MAX), 3_600)
    assert CERTIFICATE not in json.dumps(body)


def test_a_token_that_cannot_be_made_is_code_10005(site: Site, configure: Configure) -> None:
    configure(agora_app_id=APP_ID, agora_app_certificate=None)
    status, body = site.generate()
    assert (status, body["code"]) == (500, "10005")


def test_nobody_gets_the_agents_own_token(site: Site) -> None:
    site.start("room", bot_uid=77)
    status, body = site.generate(channel_name="room", uid=77)
    assert (status, body["code"], body["data"]) == (400, "10000", {"field": "uid"})


def test_start_stop_and_list_tell_one_story(site: Site) -> None:
    status, body = site.start("room", request_id="r", user_uid=5, bot_uid=6, token="t", worker_http_server_port=1)
    assert (status, body["code"]) == (200, "0")
    _, listed = site.get("/v1/api/list")
    assert [item["channelName"] for item in listed["data"]] == ["room"]
    assert abs(listed["data"][0]["createTs"] - time.time()) < 60
    assert site.ping("room")[0] == 200
    assert [site.stop("room")[1]["code"] for _ in range(2)] == ["0", "0"]
    assert site.get("/v1/api/list")[1]["data"] == []
    status, body = site.ping("room")
    assert (status, body["code"]) == (404, "10002")


def test_omitted_uids_are_the_graphs_own(site: Site) -> None:
    site.start("room")
    session = Session.objects.get()
    assert (session.user_uid, session.bot_uid) == (123, 1234)


def test_a_second_start_is_10003(site: Site) -> None:
    site.start("room")
    status, body = site.start("room")
    assert (status, body["code"], body["msg"]) == (409, "10003", "channel existed")


def test_a_start_beyond_the_limit_is_10001_and_says_when_to_come_back(site: Site, configure: Configure) -> None:
    configure(sessions_max=1)
    site.start("one")
    body = {"channel_name": "two", "graph_name": "voice"}
    response = site.client.post("/v1/api/start", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (503, "10001")
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize(("timeout", "kept"), [(None, 60), (0, 60), (-1, None), (300, 300)])
def test_minus_one_is_never_and_nothing_is_the_default(
    site: Site, configure: Configure, timeout: int | None, kept: int | None
) -> None:
    configure(session_idle_seconds=60)
    site.start("room", **({} if timeout is None else {"timeout": timeout}))
    assert Session.objects.get().timeout_seconds == kept


def test_overrides_are_kept_with_the_session(site: Site) -> None:
    properties = {
        "tts": {"voice": "Zhiyu", "lang_code": "cmn-CN", "engine": "neural"},
        "stt": {"lang_code": "zh-CN"},
    }
    assert site.start("room", properties=properties)[0] == 200
    assert Session.objects.get().overrides == properties


@pytest.mark.parametrize("path", ["stop", "ping"])
def test_an_unknown_channel_is_10002(site: Site, path: str) -> None:
    status, body = site.post(f"/v1/api/{path}", {"channel_name": "nowhere"})
    assert (status, body["code"], body["data"]) == (404, "10002", None)


_BAD_STARTS: list[tuple[dict[str, Any], str, str]] = [
    ({"pitch": 1}, "10000", "pitch"),
    ({"graph_name": 7}, "10000", "graph_name"),
    ({"graph_name": None}, "10000", "graph_name"),
    ({"graph_name": "nobody"}, "10100", "graph_name"),
    ({"graph_name": ""}, "10100", "graph_name"),
    ({"channel_name": ""}, "10004", "channel_name"),
    ({"channel_name": " \t"}, "10004", "channel_name"),
    ({"channel_name": None}, "10004", "channel_name"),
    ({"channel_name": 7}, "10000", "channel_name"),
    ({"channel_name": False}, "10000", "channel_name"),
    ({"channel_name": "a b"}, "10000", "channel_name"),
    ({"channel_name": "room\n"}, "10000", "channel_name"),
    ({"channel_name": "../x"}, "10000", "channel_name"),
    ({"channel_name": "x" * 65}, "10000", "channel_name"),
    ({"channel_name": "房间"}, "10000", "channel_name"),
    ({"user_uid": True}, "10000", "user_uid"),
    ({"user_uid": "7"}, "10000", "user_uid"),
    ({"user_uid": -1}, "10000", "user_uid"),
    ({"bot_uid": UINT32_MAX + 1}, "10000", "bot_uid"),
    ({"bot_uid": 1.5}, "10000", "bot_uid"),
    ({"timeout": -2}, "10000", "timeout"),
    ({"timeout": 86_401}, "10000", "timeout"),
    ({"timeout": "60"}, "10000", "timeout"),
    ({"request_id": 7}, "10000", "request_id"),
    ({"request_id": "r" * 129}, "10000", "request_id"),
    ({"request_id": "a\x00b"}, "10000", "request_id"),
    ({"properties": []}, "10000", "properties"),
    ({"properties": {"tts": {"pitch": 1}}}, "10100", "properties.tts.pitch"),
    ({"properties": {"piano": {}}}, "10100", "properties.piano"),
    ({"properties": {"llm": {"model": "x"}}}, "10100", "properties.llm.model"),
    ({"properties": {"llm": {"prompt": "a\x00b"}}}, "10000", "properties.llm.prompt"),
]


@pytest.mark.parametrize(("fields", "code", "field"), _BAD_STARTS)
def test_a_bad_start_is_refused_with_its_code_and_field(
    site: Site, fields: dict[str, Any], code: str, field: str
) -> None:
    status, body = site.post("/v1/api/start", {"channel_name": "room", "graph_name": "voice", **fields})
    assert (status, body["code"], body["data"]) == (400, code, {"field": field})
    assert not Session.objects.exists()


@pytest.mark.parametrize(("missing", "code"), [("channel_name", "10004"), ("graph_name", "10000")])
def test_a_missing_field_is_named(site: Site, missing: str, code: str) -> None:
    body = {"channel_name": "room", "graph_name": "voice"}
    del body[missing]
    status, answer = site.post("/v1/api/start", body)
    assert (status, answer["code"], answer["data"]) == (400, code, {"field": missing})


_RAW_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b'{"uid": NaN}',
    b'{"channel_name": "\\ud800"}',
    b"[" * 30_000,
    b'{"uid": 1' + b"0" * 5_000 + b"}",
]


@pytest.mark.parametrize("body", _RAW_BODIES, ids=range(len(_RAW_BODIES)))
def test_what_is_no_json_object_is_10000(site: Site, body: bytes) -> None:
    response = site.post_raw("/v1/api/generate", body)
    assert (response.status_code, response.json()["code"]) == (400, "10000")


@pytest.mark.parametrize("channel_name", ["", "  "])
def test_a_blank_channel_is_10004_everywhere(site: Site, channel_name: str) -> None:
    for path in ("generate", "start", "stop", "ping"):
        status, body = site.post(f"/v1/api/{path}", {"channel_name": channel_name})
        assert (status, body["code"], body["data"]) == (400, "10004", {"field": "channel_name"})


def test_a_body_beyond_64_kib_is_413(site: Site) -> None:
    response = site.post_raw("/v1/api/generate", b'{"request_id": "' + b"x" * 65_536 + b'"}')
    assert (response.status_code, response.json()["code"]) == (413, "10413")


def test_another_content_type_is_415(site: Site) -> None:
    response = site.post_raw("/v1/api/generate", b"{}", content_type="text/plain")
    assert (response.status_code, response.json()["code"]) == (415, "10415")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/api/start"), ("PUT", "/v1/api/generate"), ("POST", "/v1/api/list")]
)
def test_another_method_is_405(site: Site, method: str, path: str) -> None:
    response = site.client.generic(method, path)
    assert response.status_code == 405
    assert response["Allow"]


def test_an_unreachable_redis_is_503_and_says_when_to_come_back(site: Site, configure: Configure) -> None:
    configure(redis_url="redis://127.0.0.1:1/0")
    response = site.post_raw("/v1/api/generate", b"{}")
    assert (response.status_code, response.json()["code"]) == (503, "10503")
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize(("error", "status", "code"), [(OperationalError, 503, "10503"), (KeyError, 500, "10500")])
def test_a_fault_of_ours_is_typed_and_says_nothing_of_its_cause(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int, code: str
) -> None:
    def fail(owner: str) -> list[Session]:
        raise error("password=hunter2")

    monkeypatch.setattr(lifecycle, "list_started", fail)
    response = site.client.get("/v1/api/list")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "hunter2" not in response.content.decode()


def test_the_graphs_are_listed_with_their_languages(site: Site) -> None:
    _, body = site.get("/v1/api/graphs")
    assert [graph["name"] for graph in body["data"]] == ["voice", "va_nova_multimodal_aws", "watch"]
    assert body["data"][0]["languages"] == ["en-US", "zh-CN"]


def test_the_openapi_document_names_every_call(site: Site) -> None:
    _, document = site.get("/v1/api/openapi.json")
    assert document["openapi"].startswith("3.1")
    names = ["generate", "start", "stop", "ping", "list", "graphs"]
    assert set(document["paths"]) == {*(f"/v1/api/{name}" for name in names), "/v1/realtime/client_secrets"}


def test_answers_are_not_cached(site: Site) -> None:
    assert site.client.get("/v1/api/list")["Cache-Control"] == "no-store"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = st.sampled_from(["channel_name", "graph_name", "user_uid", "properties", "timeout", "uid", "x", "session"])
_PATHS = st.sampled_from(["api/generate", "api/start", "api/stop", "api/ping", "realtime/client_secrets"])


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=_PATHS, body=st.dictionaries(_FIELDS, _JSON, max_size=4))
def test_no_body_is_answered_with_a_fault_of_ours(site: Site, path: str, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    response = site.post_raw(f"/v1/{path}", raw)
    assert response.status_code in {200, 400, 404, 413, 429}, response.content
