"""The live view: what is mirrored, on which way it comes, and who may open its socket."""

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.test import Client
from redis import asyncio as aioredis

from sessions.admin.live_socket import live_urlpatterns
from sessions.live import facts
from sessions.live.history import History
from sessions.live.items import Content, FunctionCallItem, MessageItem
from sessions.live.mirror import Mirror, shown_items
from sessions.live_view import onlookers as onlookers_module
from sessions.live_view.onlookers import WAITING_EVENTS, Onlooker, Onlookers, TooManyOnlookersError, set_onlookers
from sessions.live_view.whispering import WHISPER_CHARACTERS, whisper
from sessions.live_view.writer import WAITING_FACTS, WatchedWriter
from sessions.models import Session, SessionState
from tests.unit.operator_rows import person, talk
from tests.unit.web_site import Configure, configure  # noqa: F401
from workers.streams import keys
from workers.streams.codec import control_fields, control_from_fields, output_from_fields
from workers.streams.messages import AnyControl, OperatorTablesChanged, WatchedFact, WatchSession, WhisperText

# ruff: noqa: F811
Shown = list[tuple[str, dict[str, Any]]]


# --- what is mirrored -------------------------------------------------------------------------------------------------


def watched() -> tuple[Mirror, Shown]:
    mirror, shown = Mirror(), Shown()
    assert mirror.watch("a", 10.0, lambda name, body: shown.append((name, body)))
    return mirror, shown


def test_words_are_shown_and_sound_is_not() -> None:
    mirror, shown = watched()
    mirror.reflect(facts.UserWordsChanged("item_1", "how far"))
    mirror.reflect(facts.ReplyAudioAdded("resp_1", "item_2", 0, b"\x00" * 100))
    mirror.reflect(facts.ReplyTextAdded("resp_1", "item_2", 0, "It is "))
    assert shown == [
        ("user_words", {"item_id": "item_1", "text": "how far", "is_final": False}),
        ("agent_words", {"item_id": "item_2", "delta": "It is "}),
    ]


def test_everything_shown_is_json() -> None:
    mirror, shown = watched()
    spoken = MessageItem("item_2", "assistant", (Content("output_audio", "It is far."),), "incomplete")
    call = FunctionCallItem("item_3", "call_1", "weather", '{"place": "Rome"}')
    for fact in (
        facts.ReplyStarted("resp_1"),
        facts.ReplyEnded("resp_1", "cancelled", (spoken, call)),
        facts.PlaybackFlushed("resp_1", "item_2", 500, "voice"),
        facts.PlaybackHeld("resp_1", "item_2", True),
        facts.StateChanged(True, False, True),
        facts.TurnMeasured("resp_1", {"first_audio": 12.0}),
        facts.VisionChanged(500, (("camera", 500),), "full", "resp_1"),
        facts.Noticed("a", "b"),
        facts.FaultHappened("a", "b", True),
    ):
        mirror.reflect(fact)
    assert len(json.loads(json.dumps(shown))) == 9


def test_who_does_not_ask_again_is_shown_nothing_more() -> None:
    mirror, shown = watched()
    mirror.forget_late(9.0)
    mirror.reflect(facts.ReplyStarted("resp_1"))
    mirror.forget_late(10.0)
    mirror.reflect(facts.ReplyStarted("resp_2"))
    assert len(shown) == 1
    assert mirror.watch("a", 20.0, lambda *_: None)


def test_a_whisper_is_an_instruction_and_is_not_among_what_is_shown() -> None:
    history = History()
    whisper(history, "be brief " * 1_000)
    assert history.instructions().startswith("be brief")
    assert len(history.instructions()) <= WHISPER_CHARACTERS
    assert shown_items(history.newest(10)) == []
    assert history.for_model(10) == ()


@pytest.mark.parametrize(
    "message", [WhisperText("s", "t"), WatchSession("s", "nova:output:x"), OperatorTablesChanged()]
)
def test_operators_messages_find_their_way_there_and_back(message: AnyControl) -> None:
    assert control_from_fields(control_fields(message)) == message


# --- the way there ----------------------------------------------------------------------------------------------------


async def test_what_is_watched_comes_by_the_watchers_output_stream(redis_url: str) -> None:
    client = aioredis.Redis.from_url(redis_url)
    writer = WatchedWriter(client)
    running = asyncio.create_task(writer.run())
    fact = WatchedFact("sess_1", 7, "", "user_words", {"text": "hello"})
    writer.put(keys.output_stream("web"), fact)
    entries: Any = await client.xread({keys.output_stream("web"): "0"}, block=5_000)
    running.cancel()
    await client.aclose()
    assert output_from_fields(entries[0][1][0][1]) == fact


def test_too_much_that_waits_becomes_a_gap() -> None:
    writer = WatchedWriter(aioredis.Redis())
    for number in range(WAITING_FACTS + 10):
        writer.put("stream", WatchedFact("s", 1, "", "n", {"number": number}))
    assert len(writer._waiting) == WAITING_FACTS
    assert writer._waiting[0][1].name == "gap"


def test_an_onlooker_that_does_not_read_misses_the_oldest() -> None:
    onlooker = Onlooker("s")
    for number in range(WAITING_EVENTS + 5):
        onlooker.put({"number": number})
    assert onlooker._events.qsize() == WAITING_EVENTS
    assert onlooker._events.get_nowait() == {"number": 5}


async def test_a_watched_session_is_asked_for_again_until_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[AnyControl] = []

    async def publish(message: AnyControl) -> None:
        asked.append(message)

    house = Onlookers("web", publish)
    with house.joined("sess_1") as onlooker:
        await house.ask_again()
        house.take(WatchedFact("sess_1", 1, "", "state", {"is_speaking": True}))
        house.take(WatchedFact("sess_2", 1, "", "state", {}))
        event = await onlooker.next()
        monkeypatch.setattr(onlookers_module, "ONLOOKERS_MAX", 1)
        with pytest.raises(TooManyOnlookersError), house.joined("sess_2"):
            pass
    await house.ask_again()
    assert asked == [WatchSession("sess_1", keys.output_stream("web"))]
    assert (event["name"], event["is_speaking"]) == ("state", True)


# --- the socket -------------------------------------------------------------------------------------------------------


def socket(session: Session, role: str, origin: bytes | None = b"http://localhost", **scope: Any) -> Any:
    client = Client()
    client.force_login(person(role))
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={client.cookies[django_settings.SESSION_COOKIE_NAME].value}"
    headers = [(b"host", b"localhost"), (b"cookie", cookie.encode()), *([(b"origin", origin)] if origin else [])]
    application: Any = live_urlpatterns[0].callback
    made = WebsocketCommunicator(application, f"/admin/live/{session.id}/", [*headers, *scope.get("headers", [])])
    own: Any = made.scope
    own["url_route"] = {"kwargs": {"session_id": session.id}}
    own["client"] = [scope.get("peer", "127.0.0.1"), 1]
    return made


@pytest.mark.django_db(transaction=True)
async def test_an_operator_is_shown_what_happens(configure: Configure) -> None:
    configure(auth="required")
    is_asked = asyncio.Event()

    async def publish(_: AnyControl) -> None:
        is_asked.set()

    house = Onlookers("web", publish)
    set_onlookers(house)
    session = await sync_to_async(talk)(state=SessionState.STARTED)
    view = await sync_to_async(socket)(session, "operator")
    assert (await view.connect())[0]
    await asyncio.wait_for(is_asked.wait(), 10)
    house.take(WatchedFact(session.id, 1, "", "user_words", {"text": "<b>hello</b>"}))
    event = json.loads(await view.receive_from())
    await view.disconnect()
    assert (event["name"], event["text"]) == ("user_words", "<b>hello</b>")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("role", "origin", "scope"),
    [
        ("viewer", b"http://localhost", {}),
        ("nobody", b"http://localhost", {}),
        ("root", b"https://evil.example", {}),
        ("root", None, {}),
        ("root", b"http://localhost", {"peer": "10.0.0.9"}),
        ("root", b"http://localhost", {"headers": [(b"x-forwarded-for", b"1.2.3.4")]}),
    ],
)
async def test_ht_07_who_may_not_watch_is_not_let_in(
    role: str, origin: bytes | None, scope: dict[str, Any], configure: Configure
) -> None:
    configure(auth="required")
    session = await sync_to_async(talk)(state=SessionState.STARTED)
    view = await sync_to_async(socket)(session, role, origin, **scope)
    assert (await view.connect())[0] is False
