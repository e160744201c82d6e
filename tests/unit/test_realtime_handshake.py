"""Who is let in at the websocket, where to, and how the others are told."""

import dataclasses
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from pytest_django import Settings

from sessions.access import OPEN_OWNER, key_owner
from sessions.realtime.doorway import Visitor, set_doorway
from sessions.realtime.handshake import read_handshake
from sessions.rtc_tokens.socket_ticket import issue_ticket
from tests.unit.realtime_double import ScriptedConversation, ScriptedDoorway, closing, knock
from workers.errors import BadInputError, NovaError, StreamsUnavailableError

KEY = "key-of-the-tests-0123456789"
OWN_ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def doorway() -> ScriptedDoorway:
    scripted = ScriptedDoorway(ScriptedConversation())
    set_doorway(scripted)
    return scripted


@pytest.fixture
def required(settings: Settings) -> None:
    settings.NOVA = dataclasses.replace(settings.NOVA, auth="required", api_keys=(KEY,))


def ticket(channel: str = "room", owner: str = "key:abc", **more: Any) -> str:
    return issue_ticket(channel, owner, **more)[0]


async def let_in(socket: WebsocketCommunicator, doorway: ScriptedDoorway) -> tuple[Visitor, int | str | None]:
    is_accepted, subprotocol = await socket.connect()
    assert is_accepted
    await socket.receive_from()
    await socket.disconnect()
    return doorway.visitors[0], subprotocol


async def denied(socket: WebsocketCommunicator, doorway: ScriptedDoorway) -> int:
    """The close code that stands for a handshake refused with 403."""
    is_accepted, code = await socket.connect()
    assert not is_accepted
    assert doorway.visitors == []
    return int(code or 0)


async def told(socket: WebsocketCommunicator) -> tuple[str, int]:
    is_accepted, _ = await socket.connect()
    assert is_accepted
    event, code = await closing(socket)
    await socket.disconnect()
    assert event is not None
    return event["error"]["code"], code


@pytest.mark.usefixtures("required")
async def test_an_api_key_opens_a_new_channel_of_its_owner(doorway: ScriptedDoorway) -> None:
    visitor, subprotocol = await let_in(knock(bearer=KEY, query="?model=gpt-realtime"), doorway)

    assert visitor == Visitor(key_owner(KEY), model="gpt-realtime")
    assert subprotocol is None


@pytest.mark.usefixtures("required")
async def test_a_client_secret_opens_its_channel_for_its_owner(doorway: ScriptedDoorway) -> None:
    secret = ticket("room", "user:7", starts_itself=True, wishes_id="w1")

    visitor, _ = await let_in(knock(bearer=secret), doorway)

    assert visitor == Visitor("user:7", "room", is_channel_proven=True, starts_itself=True, wishes_id="w1")


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["realtime"], "realtime"),
        (["realtime", "nova.json"], "nova.json"),
        (["nova.json", "realtime", "nova.binary"], "nova.binary"),
        (["realtime", "openai-agents-sdk.0.20.0"], "realtime"),
        ([], None),
    ],
)
async def test_a_browser_brings_its_secret_as_a_subprotocol(
    doorway: ScriptedDoorway, offered: list[str], chosen: str | None
) -> None:
    subprotocols = [*offered, f"openai-insecure-api-key.{ticket()}"]
    socket = knock(bearer=None, origin=OWN_ORIGIN, subprotocols=subprotocols)

    visitor, subprotocol = await let_in(socket, doorway)

    assert (visitor.channel_name, subprotocol) == ("room", chosen)


async def test_an_open_house_lets_anyone_in_whatever_key_they_bring(doorway: ScriptedDoorway) -> None:
    visitor, _ = await let_in(knock(bearer="sk-anything"), doorway)

    assert visitor == Visitor(OPEN_OWNER)


async def test_an_open_house_needs_no_key(doorway: ScriptedDoorway) -> None:
    assert (await let_in(knock(bearer=None), doorway))[0] == Visitor(OPEN_OWNER)


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("secret", [None, "", "wrong-key-wrong-key-wrong", "ek_forged", KEY + "x", KEY[:-1]])
async def test_a_client_without_a_good_secret_is_denied_before_the_handshake(
    doorway: ScriptedDoorway, secret: str | None
) -> None:
    assert await denied(knock(bearer=secret), doorway) == 4401


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    ("secret", "code"), [("ek_forged", "ticket_forged"), ("wrong-key-wrong-key-wrong", "invalid_api_key")]
)
async def test_a_browser_with_a_bad_secret_is_told_by_event_and_close_code(
    doorway: ScriptedDoorway, secret: str, code: str
) -> None:
    subprotocols = ["realtime", f"openai-insecure-api-key.{secret}"]

    assert await told(knock(bearer=None, origin=OWN_ORIGIN, subprotocols=subprotocols)) == (code, 4401)
    assert doorway.visitors == []


async def test_a_secret_that_a_revoked_key_has_made_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.access.ended_owners", lambda: frozenset({"key:gone"}))
    subprotocols = ["realtime", f"openai-insecure-api-key.{ticket(owner='key:gone')}"]

    assert await told(knock(bearer=None, subprotocols=subprotocols)) == ("api_key_ended", 4401)


async def test_an_expired_secret_is_named_even_in_an_open_house() -> None:
    expired = ticket(life_seconds=-1)
    subprotocols = ["realtime", f"openai-insecure-api-key.{expired}"]

    assert await told(knock(bearer=None, subprotocols=subprotocols)) == ("ticket_expired", 4401)


async def test_a_secret_for_another_channel_is_denied(doorway: ScriptedDoorway) -> None:
    assert await denied(knock(bearer=ticket("room"), query="?channel_name=other"), doorway) == 4403


async def test_an_api_keys_wish_for_a_channel_is_passed_on_as_unproven(doorway: ScriptedDoorway) -> None:
    visitor, _ = await let_in(knock(query="?channel_name=room"), doorway)

    assert (visitor.channel_name, visitor.is_channel_proven) == ("room", False)


@pytest.mark.parametrize("query", ["?token=x", "?api_key=x", "?Client_Secret=x", "?model=ek_abc", "?a=1&key=x"])
async def test_a_secret_in_the_url_is_denied(doorway: ScriptedDoorway, query: str) -> None:
    assert await denied(knock(query=query), doorway) == 4401


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1:8000.evil.example",
        "http://evil-127.0.0.1:8000",
        "http://127.0.0.1:9000",
        "ws://127.0.0.1:8000",
        "file://",
    ],
)
async def test_a_page_from_elsewhere_is_denied_even_with_a_good_secret(doorway: ScriptedDoorway, origin: str) -> None:
    subprotocols = ["realtime", f"openai-insecure-api-key.{ticket()}"]

    assert await denied(knock(bearer=None, origin=origin, subprotocols=subprotocols), doorway) == 4403


async def test_a_host_that_is_not_this_site_is_denied(doorway: ScriptedDoorway) -> None:
    socket = knock(headers=((b"host", b"evil.example:8000"),), origin="http://evil.example:8000")

    assert await denied(socket, doorway) == 4403


@pytest.mark.parametrize(("given", "is_let_in"), [(b"front", True), (b"back", False), (None, False)])
async def test_the_front_doors_secret_is_asked_for_when_set(
    settings: Settings, doorway: ScriptedDoorway, given: bytes | None, is_let_in: bool
) -> None:
    settings.NOVA = dataclasses.replace(settings.NOVA, origin_secret="front")
    socket = knock(headers=((b"x-origin-secret", given),) if given else ())

    is_accepted, _ = await socket.connect()

    assert is_accepted is is_let_in
    await socket.disconnect()


async def test_a_server_that_can_answer_by_status_says_401_with_a_body(settings: Settings) -> None:
    settings.NOVA = dataclasses.replace(settings.NOVA, auth="required", api_keys=(KEY,))
    socket = knock(bearer="wrong")
    socket.scope["extensions"] = {"websocket.http.response": {}}
    await socket.send_input({"type": "websocket.connect"})

    start = await socket.receive_output()
    body = await socket.receive_output()

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert b"invalid_api_key" in body["body"]


@pytest.mark.parametrize(
    ("refusal", "code", "close_code"),
    [
        (NovaError("unknown", code="10002"), "10002", 4403),
        (NovaError("full", code="10001", retriable=True), "10001", 1013),
        (BadInputError("ended", code="session_ended"), "session_ended", 4410),
        (BadInputError("bad wish"), "bad_input", 4403),
        (StreamsUnavailableError("no Redis"), "streams_unavailable", 1013),
        (NovaError("broken"), "internal", 1011),
        (TimeoutError(), "open_timeout", 1013),
    ],
)
async def test_what_the_doorway_refuses_is_told_by_event_and_close_code(
    doorway: ScriptedDoorway, refusal: Exception, code: str, close_code: int
) -> None:
    doorway.refusal = refusal

    assert await told(knock()) == (code, close_code)
    assert doorway.conversation.detached == []


async def test_no_secret_is_logged_or_shown_by_what_is_kept_of_a_handshake() -> None:
    socket = knock(bearer="very-secret-key", query="?model=m")

    assert "very-secret" not in repr(read_handshake(socket.scope))
