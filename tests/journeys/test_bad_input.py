"""What no client should send: each gets a typed error that names the event, and the talk goes on, here and elsewhere."""

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import (
    Client,
    Heard,
    Json,
    Socket,
    connect,
    connect_socket,
    generate_ticket,
    see_calls,
    start_channel,
    tell_script,
)
from tests.journeys.conftest import CALLER_KEY, Play
from tests.journeys.pictures import bomb, broken_jpeg, scene
from tests.journeys.sounds import speech

QUICK_VOICE = {"polly": {"ms_per_character": 10}}
FRAME_GAP_SECONDS = 0.6
TOO_LARGE_BYTES = 1024 * 1024
FLOOD_OF_BAD_MESSAGES = 60


@dataclass(frozen=True)
class Case:
    """`named`: what the error's text or its `param` must name."""

    name: str
    message: Json | str | bytes
    code: str
    named: str
    param: str | None = None


def _append(audio: Any) -> Json:
    return {"type": "input_audio_buffer.append", "event_id": "e1", "audio": audio}


def _frame(image: Any, **more: Any) -> Json:
    return {"type": "input_video_buffer.append", "event_id": "e1", "image": image, **more}


def _item(item: Any) -> Json:
    return {"type": "conversation.item.create", "event_id": "e1", "item": item}


def _user(part: Json) -> Json:
    return _item({"type": "message", "role": "user", "content": [part]})


def _session(**session: Any) -> Json:
    return {"type": "session.update", "event_id": "e1", "session": {"type": "realtime", **session}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


CASES = [
    Case("text that is no JSON", "{never closed", "invalid_json", "JSON"),
    Case("a list", "[1, 2]", "invalid_json", "JSON"),
    Case("a number", "42", "invalid_json", "JSON"),
    Case("an empty message", "", "invalid_json", "JSON"),
    Case("not a number", '{"type": "response.cancel", "response_id": NaN}', "invalid_json", "JSON"),
    Case("deep nesting", "[" * 20_000, "invalid_json", "JSON"),
    Case("binary where text was agreed", b"\x00\x02{}", "binary_not_agreed", "binary"),
    Case("an unknown event", {"type": "make.coffee", "event_id": "e1"}, "invalid_value", "make.coffee", "type"),
    Case("no type", {"event_id": "e1"}, "missing_required_parameter", "type", "type"),
    Case("a type that is a number", {"type": 7, "event_id": "e1"}, "invalid_value", "unknown event", "type"),
    Case("audio that is a number", _append(5), "invalid_type", "input_audio_buffer.append", "audio"),
    Case("audio that is no base64", _append("not base64!"), "invalid_base64", "input_audio_buffer.append", "audio"),
    Case("no audio", {"type": "input_audio_buffer.append", "event_id": "e1"}, "missing_required_parameter",
         "input_audio_buffer.append", "audio"),
    Case("half a sample", _append(_base64(b"abc")), "audio_odd_length", "input_audio_buffer.append", "audio"),
    Case("nothing to commit", {"type": "input_audio_buffer.commit", "event_id": "e1"},
         "input_audio_buffer_commit_empty", "input_audio_buffer.commit"),
    Case("a frame that is no picture", _frame(_base64(b"no picture")), "image_rejected", "input_video_buffer.append",
         "image"),
    Case("a frame from nowhere", _frame(_base64(scene(9)), source="moon"), "invalid_value",
         "input_video_buffer.append", "source"),
    Case("a frame of the wrong type", _frame({"bytes": 1}), "invalid_type", "input_video_buffer.append", "image"),
    Case("a session that is a text", {"type": "session.update", "event_id": "e1", "session": "loud"},
         "invalid_type", "session.update", "session"),
    Case("a rate nobody has", _session(audio={"input": {"format": {"type": "audio/pcm", "rate": 4_000}}}),
         "invalid_value", "session.update", "session.audio.input.format.rate"),
    Case("tools that are no list", _session(tools="hammer"), "invalid_type", "session.update", "session.tools"),
    Case("a picture by its address", _user({"type": "input_image", "image_url": "https://example.com/a.png"}),
         "invalid_image_url", "conversation.item.create", "item.content[0].image_url"),
    Case("an uploaded picture that is none",
         _user({"type": "input_image", "image_url": "data:image/png;base64," + _base64(b"none")}),
         "image_rejected", "conversation.item.create", "item.content[0].image_url"),
    Case("a text that is missing", _user({"type": "input_text"}), "missing_required_parameter",
         "conversation.item.create", "item.content[0].text"),
    Case("an item of no type", _item({"role": "user"}), "missing_required_parameter", "conversation.item.create",
         "item.type"),
    Case("an item nobody has", {"type": "conversation.item.delete", "event_id": "e1", "item_id": "gone"},
         "item_not_found", "conversation.item.delete", "item_id"),
    Case("a time before the beginning",
         {"type": "conversation.item.truncate", "event_id": "e1", "item_id": "a", "content_index": 0,
          "audio_end_ms": -1}, "invalid_value", "conversation.item.truncate", "audio_end_ms"),
    Case("more tokens than there are",
         {"type": "response.create", "event_id": "e1", "response": {"max_output_tokens": 10**9}},
         "invalid_value", "response.create", "response.max_output_tokens"),
    Case("a message beyond its limit", _append("A" * TOO_LARGE_BYTES), "message_too_large", "message"),
    Case("a control event beyond its limit",
         {"type": "response.cancel", "event_id": "e1", "padding": "x" * 20_000}, "message_too_large",
         "response.cancel"),
]  # fmt: skip


class Survived(NamedTuple):
    faults: dict[str, Heard]
    client: Client
    neighbour: Client
    statuses: list[str]


async def _send(client: Client, message: Json | str | bytes) -> None:
    socket = client.connection
    assert isinstance(socket, Socket)
    if isinstance(message, bytes):
        await socket.send_bytes(message)
    else:
        await socket.send_text(message if isinstance(message, str) else json.dumps(message))


async def _send_all(house: House) -> Survived:
    await tell_script(house, texts=["Still hearing me?"], defaults=QUICK_VOICE)
    faults = {}
    async with connect_socket(house) as client, connect_socket(house) as neighbour:
        statuses = [(await neighbour.ask("First of all.")).status]
        for case in CASES:
            before = client.now
            await _send(client, case.message)
            faults[case.name] = await client.wait_for("error", after=before)
        statuses.append((await client.ask("Do you still read me?")).status)
        before = client.now
        await client.speak(speech(600), silence_ms=700)
        statuses.append((await client.wait_for("response.done", after=before)).event.response.status)
        statuses.append((await neighbour.ask("And last of all.")).status)
    return Survived(faults, client, neighbour, statuses)


@pytest.fixture(scope="module")
def survived(play: Play) -> Survived:
    done: Survived = play(_send_all)
    return done


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_answered_by_an_error_with_its_code(survived: Survived, case: Case) -> None:
    assert survived.faults[case.name].event.error.code == case.code


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_error_names_the_event_and_the_field(survived: Survived, case: Case) -> None:
    error = survived.faults[case.name].event.error
    assert case.named in error.message
    if case.param is not None:
        assert error.param == case.param


@pytest.mark.parametrize("case", [c for c in CASES if isinstance(c.message, dict)], ids=lambda case: case.name)
def test_the_error_carries_the_clients_event_id(survived: Survived, case: Case) -> None:
    fault = survived.faults[case.name].event.error
    assert fault.type == "invalid_request_error"
    if "a message beyond" not in case.name:
        assert fault.event_id == "e1"


def test_each_bad_message_is_answered_once(survived: Survived) -> None:
    assert len(survived.client.of("error")) == len(CASES)


def test_the_socket_stays_open_for_a_typed_and_a_spoken_turn_afterwards(survived: Survived) -> None:
    assert survived.statuses == ["completed"] * 4
    assert survived.client.captions() == ["Still hearing me?"]
    assert survived.client.close_code is None


def test_another_session_is_undisturbed(survived: Survived) -> None:
    assert survived.neighbour.fault_codes() == []
    assert survived.neighbour.close_code is None


@pytest.mark.parametrize(
    ("picture", "code"), [(bomb(), "image_too_large"), (broken_jpeg(), "image_rejected")], ids=["bomb", "broken"]
)
async def test_a_picture_only_a_worker_can_judge_is_refused_and_the_next_one_is_seen(
    house: House, picture: bytes, code: str
) -> None:
    await tell_script(house, defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await client.show(picture, event_id="shown")
        fault = (await client.wait_for("error")).event.error
        await asyncio.sleep(FRAME_GAP_SECONDS)
        await client.show(scene(200))
        assert (await client.ask("What do you see?")).status == "completed"
        call = (await see_calls(house, "bedrock"))[0]
    assert (fault.type, fault.code) == ("invalid_request_error", code)
    assert (fault.retriable, fault.event_id) == (False, "shown")
    assert len(call["facts"]["images"]) == 1


async def test_an_uploaded_bomb_is_refused_and_its_question_is_answered_without_it(house: House) -> None:
    await tell_script(house, defaults=QUICK_VOICE)
    image = {"type": "input_image", "image_url": "data:image/png;base64," + _base64(bomb())}
    async with connect_socket(house) as client:
        content = [{"type": "input_text", "text": "What is this?"}, image]
        item = {"type": "message", "role": "user", "content": content}
        await client.send("conversation.item.create", item=item, event_id="uploaded")
        fault = (await client.wait_for("error")).event.error
        before = client.now
        await client.send("response.create")
        response = (await client.wait_for("response.done", after=before)).event.response
        call = (await see_calls(house, "bedrock"))[0]
    assert (fault.code, fault.event_id) == ("image_too_large", "uploaded")
    assert (response.status, call["facts"]["images"]) == ("completed", [])


async def test_an_uploaded_picture_that_is_one_reaches_the_model(house: House) -> None:
    await tell_script(house, defaults=QUICK_VOICE)
    image = {"type": "input_image", "image_url": "data:image/jpeg;base64," + _base64(scene(77))}
    async with connect_socket(house) as client:
        content = [{"type": "input_text", "text": "What is this?"}, image]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await client.send("response.create")
        await client.wait_for("response.done")
        call = (await see_calls(house, "bedrock"))[0]
    assert len(call["facts"]["images"]) == 1
    assert client.fault_codes() == []


async def test_a_flood_of_bad_messages_closes_that_socket_alone(house: House) -> None:
    async with connect_socket(house) as flooding, connect_socket(house) as neighbour:
        for _ in range(FLOOD_OF_BAD_MESSAGES):
            await _send(flooding, "{")
        assert await flooding.wait_closed() == 4400
        assert (await neighbour.ask("All well?")).status == "completed"


async def test_a_strict_client_can_read_every_error(house: House) -> None:
    async with connect(house) as client:
        await client.connection.send({"type": "input_audio_buffer.append", "audio": "not base64!", "event_id": "e7"})
        error = (await client.wait_for("error")).event.error
    assert (error.type, error.code, error.event_id) == ("invalid_request_error", "invalid_base64", "e7")
    assert not hasattr(error, "retriable")


async def test_what_comes_before_start_is_refused_and_works_after_it(house: House) -> None:
    await tell_script(house, defaults=QUICK_VOICE)
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    async with connect_socket(house, key=ticket) as client:
        await client.type_text("Too early?")
        early = await client.wait_for("error")
        await start_channel(house, channel_name, key=CALLER_KEY, properties={"llm": {"greeting": ""}})
        await client.wait_for("nova.session", where=lambda event: event.is_started)
        assert (await client.ask("And now?")).status == "completed"
    assert early.event.error.code == "session_not_started"
    assert "/v1/api/start" in early.event.error.message
