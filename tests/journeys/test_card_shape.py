"""The data goes the way that was drawn: workers call model and voice, streams join the processes, sound stays out."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

from tests.house import House
from tests.journeys.client import (
    Client,
    Json,
    connect_socket,
    generate_ticket,
    see_calls,
    start_channel,
    tell_script,
)
from tests.journeys.conftest import CALLER_KEY, Play
from tests.journeys.pictures import light_of, scene
from tests.journeys.sounds import speech
from workers.streams import keys

QUESTION = "What do you see here?"
SENTENCES = ["I see a light picture.", "It was darker some time ago.", "There is nothing else in it."]
LONG_ANSWER = " ".join(f"This is part {word} of a long story." for word in ("one", "two", "three", "four", "five"))
LIGHTS = (20, 60, 100, 140, 180, 230)
FRAME_INTERVAL_MS = 100
MAX_TOKENS = 123
TOKEN_MS = 80
NEEDLE_BYTES = 48
SAME_LIGHT = 4


class Talk(NamedTuple):
    session_id: str
    client: Client
    sound: bytes
    bedrock: list[Json]
    polly: list[Json]
    transcribe: list[Json]
    said_to_redis: bytes
    talker_pids: set[int]


@asynccontextmanager
async def _listening_to_redis(house: House) -> AsyncIterator[bytearray]:
    """Every command any process gives to Redis, arguments and all."""
    address = urlsplit(house.redis_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"MONITOR\r\n")
    await writer.drain()
    heard = bytearray()

    async def listen() -> None:
        while data := await reader.read(65_536):
            heard.extend(data)

    listener = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        writer.close()


async def _see_and_answer(house: House) -> Talk:
    await tell_script(
        house,
        settings={"record_pids": True},
        texts=[QUESTION],
        bedrock=[{"text": " ".join(SENTENCES), "token_ms": TOKEN_MS}, {"text": LONG_ANSWER, "token_ms": TOKEN_MS}],
    )
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    vision = {"frame_interval_ms": FRAME_INTERVAL_MS, "frames_per_turn": 3}
    properties = {"llm": {"greeting": "", "max_tokens": MAX_TOKENS}, "vision": vision}
    session_id = await start_channel(house, channel_name, key=CALLER_KEY, properties=properties)
    sound = speech(1_600)
    async with _listening_to_redis(house) as said_to_redis, connect_socket(house, key=ticket) as client:
        await asyncio.gather(_show_all(client), client.speak(sound, silence_ms=700))
        await client.wait_for("response.done")
        await _interrupt_a_typed_turn(client)
        bedrock = await see_calls(house, "bedrock", 2, ended=True)
        polly, transcribe = await see_calls(house, "polly", 4), await see_calls(house, "transcribe")
    return Talk(session_id, client, sound, bedrock, polly, transcribe, bytes(said_to_redis), _family(house.talker.pid))


async def _show_all(client: Client) -> None:
    for light in LIGHTS:
        await client.show(scene(light))
        await asyncio.sleep(FRAME_INTERVAL_MS * 2 / 1_000)


async def _interrupt_a_typed_turn(client: Client) -> None:
    before = client.now
    await client.type_text("Tell me a long story.")
    await client.wait_for("response.output_audio.delta", after=before)
    await client.send("response.cancel")
    await client.wait_for("response.done", after=before)


def _family(pid: int) -> set[int]:
    process = psutil.Process(pid)
    return {pid, *(child.pid for child in process.children(recursive=True))}


@pytest.fixture(scope="module")
def talk(play: Play) -> Talk:
    held: Talk = play(_see_and_answer)
    return held


@pytest.mark.parametrize("service", ["bedrock", "polly"])
def test_every_call_of_model_and_voice_comes_from_a_worker(talk: Talk, service: str) -> None:
    pids = {call["client_pid"] for call in getattr(talk, service)}
    assert pids
    assert pids <= talk.talker_pids


def test_transcribe_is_called_from_no_worker(talk: Talk) -> None:
    pids = {call["client_pid"] for call in talk.transcribe}
    assert pids
    assert None not in pids
    assert not pids & talk.talker_pids


def _entries(house: House, stream: str, *needed: str) -> list[str]:
    found = []
    entries: Any = house.redis().xrange(stream)
    for _, fields in entries:
        text = " ".join(value.decode(errors="replace") for value in fields.values())
        if all(part in text for part in needed):
            found.append(text)
    return found


def test_the_users_words_go_over_the_transcripts_stream_and_are_read_by_the_worker(
    talk: Talk, house_of_aws: House
) -> None:
    turn = talk.client.of("input_audio_buffer.committed")[0].event.item_id
    assert _entries(house_of_aws, keys.TRANSCRIPTS_STREAM, turn, "partial")
    assert _entries(house_of_aws, keys.TRANSCRIPTS_STREAM, turn, "confirmed", QUESTION)
    assert talk.bedrock[0]["facts"]["last_user_text"] == QUESTION
    request = next(
        line for line in talk.said_to_redis.splitlines() if b"nova:reply:resp" in line and b'"rpush"' in line.lower()
    )
    assert QUESTION.encode() not in request, "the words came with the request instead"


def test_a_cancelled_reply_goes_over_the_interrupts_stream_and_its_calls_end(talk: Talk, house_of_aws: House) -> None:
    cancelled = talk.client.of("response.done")[1].event.response
    assert cancelled.status == "cancelled"
    assert _entries(house_of_aws, keys.INTERRUPTS_STREAM, talk.session_id, cancelled.id)
    assert talk.bedrock[1]["outcome"] == "client_closed"


def test_sentences_and_speech_come_back_over_the_web_processes_output_stream(talk: Talk, house_of_aws: House) -> None:
    streams = [name.decode() for name in house_of_aws.redis().scan_iter(match=keys.output_stream("*"))]
    entries = [entry for name in streams for entry in _entries(house_of_aws, name, talk.session_id)]
    kinds = ("sentence_written", "speech_made", "speech_finished", "reply_written", "frame_kept", "task_beat")
    assert [kind for kind in kinds if not any(kind in entry for entry in entries)] == []
    assert talk.client.said()[0] == " ".join(SENTENCES)


def _as_monitored(data: bytes) -> bytes:
    """How MONITOR writes an argument."""
    shown = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
    return b"".join(shown.get(byte) or (bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in data)


def _traces_of(data: bytes, monitored: bytes) -> list[int]:
    """Where pieces of `data` were given to Redis, raw or in base64 at any of its three alignments."""
    found = []
    for at in range(0, len(data) - NEEDLE_BYTES - 2, 1_024):
        pieces = [data[at + shift : at + shift + NEEDLE_BYTES] for shift in range(3)]
        needles = [_as_monitored(pieces[0]), *(base64.b64encode(piece) for piece in pieces)]
        if any(needle in monitored for needle in needles):
            found.append(at)
    return found


def test_no_command_to_redis_holds_the_clients_sound(talk: Talk) -> None:
    assert _traces_of(talk.sound, talk.said_to_redis) == []


def test_a_frame_does_go_over_redis_so_that_the_search_is_known_to_find(talk: Talk) -> None:
    assert _traces_of(scene(LIGHTS[0]), talk.said_to_redis)


def _pictures(request: dict[str, Any]) -> list[bytes]:
    parts = [part for message in request["messages"] for part in message["content"]]
    return [base64.b64decode(part["image"]["source"]["bytes"]) for part in parts if "image" in part]


def test_the_newest_frame_is_the_last_in_the_models_request(talk: Talk) -> None:
    lights = [light_of(picture) for picture in _pictures(talk.bedrock[0]["request"])]
    assert lights[-1] == pytest.approx(LIGHTS[-1], abs=SAME_LIGHT)


def test_the_other_frames_are_older_ones_in_order_and_no_more_pictures_than_the_graph_allows(talk: Talk) -> None:
    """What is older goes as one mosaic, whose cells are told to the client."""
    assert 2 <= len(_pictures(talk.bedrock[0]["request"])) <= 3
    told = next(heard.event.frames for heard in talk.client.of("nova.vision") if heard.event.frames)
    times = [frame.captured_at_ms for frame in told if frame.place != "out"]
    assert times == sorted(times)
    assert len(times) >= 3


def test_what_is_in_view_goes_with_a_typed_turn_too(talk: Talk) -> None:
    lights = [light_of(picture) for picture in _pictures(talk.bedrock[1]["request"])]
    assert lights[-1] == pytest.approx(LIGHTS[-1], abs=SAME_LIGHT)


def test_the_graphs_limit_of_tokens_is_in_every_request(talk: Talk) -> None:
    assert [call["facts"]["max_tokens"] for call in talk.bedrock] == [MAX_TOKENS, MAX_TOKENS]
    assert all(call["facts"]["max_tokens_set"] for call in talk.bedrock)


def test_polly_is_asked_for_the_sentences_in_order_and_once_each(talk: Talk) -> None:
    asked = [call["facts"]["text"] for call in talk.polly if call["opened_ms"] < talk.bedrock[1]["opened_ms"]]
    assert asked == SENTENCES


def test_the_first_speech_is_heard_before_the_model_has_finished(talk: Talk) -> None:
    first_speech = talk.client.of("response.output_audio.delta")[0]
    assert first_speech.at_ms < talk.bedrock[0]["closed_ms"]


def test_polly_speaks_the_first_sentence_while_the_model_still_writes(talk: Talk) -> None:
    assert talk.polly[0]["opened_ms"] < talk.bedrock[0]["closed_ms"] - TOKEN_MS
