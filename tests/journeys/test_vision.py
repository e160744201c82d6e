"""Vision: a real video goes through the socket; the emulator's journal shows which frames each request carried, and why."""

import asyncio
import base64
import io
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from PIL import Image

from tests.house import House
from tests.journeys.client import (
    Client,
    Json,
    call_api,
    connect_socket,
    generate_ticket,
    see_calls,
    start_channel,
    tell_script,
    wait_until,
)
from tests.journeys.conftest import CALLER_KEY, Play
from tests.journeys.pictures import scene
from tests.journeys.sounds import speech
from tests.video import Video, make_video
from workers.streams import keys

FRAME_SECONDS = 0.1
BREATH_MS, WORD_MS, MOST_WORDS = 400, 300, 20
VISION = {"frame_interval_ms": 100, "fastest_interval_ms": 100, "slowest_interval_ms": 400}
QUICK = {"polly": {"duration_ms": 200}}
PATIENT = {"transcribe": {"final_ms": 1_200}}
QUESTIONS = ["Please tell me in a few short words of your own what has happened here just now?"]
"""Long enough to sound unfinished at the breath in the middle."""
SMOKE = "Smoke rises from the pan."


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return make_video(tmp_path_factory.mktemp("video"))


@asynccontextmanager
async def channel(house: House, graph: str = "voice", **properties: Any) -> AsyncIterator[tuple[Client, str, str]]:
    """A started channel's client, its session and its name."""
    name, ticket = await generate_ticket(house, key=CALLER_KEY)
    nodes = {"llm": {"greeting": "", **properties.pop("llm", {})}, **properties}
    session_id = await start_channel(house, name, key=CALLER_KEY, graph_name=graph, properties=nodes)
    async with connect_socket(house, key=ticket) as client:
        yield client, session_id, name


async def stream(client: Client, frames: list[bytes], source: str = "camera") -> None:
    for frame in frames:
        await client.show(frame, source, captured_at_ms=int(time.time() * 1_000))
        await asyncio.sleep(FRAME_SECONDS)


def vision_of(client: Client, reply_id: str) -> Any:
    told = (heard.event for heard in client.of("nova.vision"))
    return next(event for event in told if event.response_id == reply_id and event.frames)


def images(call: Json) -> list[Image.Image]:
    parts = [part for message in call["request"]["messages"] for part in message["content"]]
    found = [base64.b64decode(part["image"]["source"]["bytes"]) for part in parts if "image" in part]
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in found]


def texts(call: Json) -> list[str]:
    return [part["text"] for message in call["request"]["messages"] for part in message["content"] if "text" in part]


def colours(picture: Image.Image) -> int:
    """How many rough ones a small copy has: few for a wall, many for a test card."""
    rough = picture.resize((64, 36), Image.Resampling.BOX).point(lambda value: value & 0xC0)
    return len(rough.getcolors() or ())


class Talk(NamedTuple):
    client: Client
    calls: list[Json]
    replies: list[str]
    kept_bytes: int


async def _talk_over_the_video(house: House, video: Video) -> Talk:
    await tell_script(house, texts=QUESTIONS, defaults={"bedrock": {"text": "I see it."}, **QUICK, **PATIENT})
    async with channel(house, vision=VISION) as (client, session_id, _):
        await stream(client, video.still[:24])
        replies = [(await client.ask("What stands there?")).id]
        after = client.now
        await _speak_over(house, client, video.moving + video.object[:10], session_id)
        replies.append((await client.wait_for("response.done", after=after)).event.response.id)
        await asyncio.gather(stream(client, video.object[10:]), stream(client, video.screen, "screen"))
        replies.append((await client.ask("What is written there?")).id)
        calls = await see_calls(house, "bedrock", 3, ended=True)
        kept_bytes = await asyncio.to_thread(_kept_bytes, house, session_id)
    return Talk(client, calls, replies, kept_bytes)


async def _speak_over(house: House, client: Client, frames: list[bytes], session_id: str) -> None:
    """One turn of two breaths; the second goes on until the mosaic that the first one's pause asks for is there."""
    before = await asyncio.to_thread(_mosaics, house, session_id)
    await asyncio.gather(stream(client, frames), client.speak(speech(2_600), silence_ms=0))
    await client.speak(b"", silence_ms=BREATH_MS)
    for _ in range(MOST_WORDS):
        await client.speak(speech(WORD_MS), silence_ms=0)
        if await asyncio.to_thread(_mosaics, house, session_id) > before:
            break
    await client.speak(b"", silence_ms=1_600)


def _kept(house: House, session_id: str) -> list[str]:
    redis: Any = house.redis()
    sets = redis.scan_iter(f"nova:session:{session_id}:pictures:*")
    return [keys.kept_frame(name.decode()) for key in sets for name in redis.zrange(key, 0, -1)]


def _mosaics(house: House, session_id: str) -> int:
    return int(house.redis().zcard(keys.session_pictures(session_id, "mosaics")))


def _kept_bytes(house: House, session_id: str) -> int:
    redis: Any = house.redis()
    return sum(int(redis.strlen(key)) for key in _kept(house, session_id))


@pytest.fixture(scope="module")
def talk(play: Play, video: Video) -> Talk:
    held: Talk = play(lambda house: _talk_over_the_video(house, video))
    return held


def test_a_still_minute_is_one_picture(talk: Talk) -> None:
    assert len(images(talk.calls[0])) == 1


def test_a_still_scene_is_wanted_less_often_and_a_moving_one_more(talk: Talk) -> None:
    told = [heard.event.interval_ms for heard in talk.client.of("nova.vision")]
    assert told[0] == 100
    assert max(told) >= 300
    assert 100 in told[told.index(max(told)) :]


def test_what_happened_while_the_user_spoke_is_one_mosaic_and_the_newest_frame(talk: Talk) -> None:
    mosaic, newest = images(talk.calls[1])
    assert max(mosaic.size) in (900, 1_350)
    assert max(newest.size) <= 896
    assert colours(newest) < colours(mosaic)


def test_the_model_is_told_the_time_of_every_picture_and_cell(talk: Talk) -> None:
    said = " ".join(texts(talk.calls[1]))
    assert "Earlier pictures in one" in said
    assert "newest" in said


def test_camera_and_screen_are_both_in_the_request_and_small_text_stays_readable(talk: Talk) -> None:
    told = vision_of(talk.client, talk.replies[2])
    alone = {frame.source for frame in told.frames if frame.place == "picture"}
    assert alone == {"camera", "screen"}
    assert max(max(picture.size) for picture in images(talk.calls[2])) == 1_280


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_journal_says_why_each_picture_is_in_its_request(talk: Talk, number: int) -> None:
    metadata = talk.calls[number]["facts"]["metadata"]
    assert metadata["reply_id"] == talk.replies[number]
    shown = [frame.reason for frame in vision_of(talk.client, talk.replies[number]).frames if frame.place != "out"]
    assert len(metadata["pictures"]) < 256
    told = dict(part.split("=") for part in metadata["pictures"].split(", "))
    assert {reason: len(moments.split()) for reason, moments in told.items()} == Counter(shown)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_client_is_told_what_the_journal_shows(talk: Talk, number: int) -> None:
    told = vision_of(talk.client, talk.replies[number])
    pictures = sum(frame.place == "picture" for frame in told.frames)
    mosaics = int(any(frame.place == "mosaic" for frame in told.frames))
    assert len(images(talk.calls[number])) == pictures + mosaics
    assert all(frame.reason for frame in told.frames)
    assert [frame.reason for frame in told.frames if frame.place == "picture"][-1] == "newest"
    assert told.tokens > 0
    assert told.cost_usd > 0


def test_the_bill_of_the_service_replaces_the_estimate(talk: Talk) -> None:
    settled = [heard.event for heard in talk.client.of("nova.vision") if not heard.event.is_estimate]
    assert [event.response_id for event in settled] == talk.replies
    done = [heard.event.response for heard in talk.client.of("response.done")]
    assert [response.usage.input_token_details.image_tokens for response in done] == [event.tokens for event in settled]


def test_a_sessions_pictures_stay_within_their_bounds(talk: Talk) -> None:
    assert 0 < talk.kept_bytes < 17 * 1024 * 1024


async def test_a_flood_costs_at_most_one_decode_an_interval(house: House) -> None:
    async with channel(house, vision={"fastest_interval_ms": 250}) as (client, session_id, _):
        started = time.monotonic()
        for number in range(45):
            await client.show(scene(number % 5 * 50), captured_at_ms=int(time.time() * 1_000))
            await asyncio.sleep(1 / 30)
        lasted_ms = (time.monotonic() - started) * 1_000
        await client.ask("What is it?")
        decoded = await asyncio.to_thread(_decoded, house, session_id)
    assert 2 <= decoded <= lasted_ms / 250 * 1.25 + 1


def _decoded(house: House, session_id: str) -> int:
    redis: Any = house.redis()
    bodies = [fields[b"body"] for stream in redis.scan_iter("nova:output:*") for _, fields in redis.xrange(stream)]
    mine = [body for body in bodies if session_id.encode() in body]
    return sum(b'"frame_kept"' in body or b'"frame_skipped"' in body for body in mine)


async def test_no_picture_outlives_its_session(house: House) -> None:
    async with channel(house) as (client, session_id, name):
        await client.show(scene(90))
        await client.ask("What is it?")
        kept = await asyncio.to_thread(_kept, house, session_id)
        assert kept
        status, _ = await call_api(house, "stop", {"channel_name": name}, key=CALLER_KEY)
        assert status == 200
        assert not house.redis().exists(*kept)
        assert await asyncio.to_thread(_kept, house, session_id) == []


async def test_the_model_looks_by_its_tool_and_sees_the_newest_frame(house: House) -> None:
    plans = [{"tool_use": {"name": "look", "input": {}}}, {"text": "It is light."}, {"text": "Yes."}]
    await tell_script(house, bedrock=plans, defaults=QUICK)
    async with channel(house, llm={"tools": ["look"]}, vision={"frames": "look"}) as (client, session_id, _):
        await client.show(scene(30))
        await client.show(scene(220), "screen")
        await wait_until(lambda: _has_kept(house, session_id, 2), "both frames")
        response = await client.ask("Is it light?")
        await client.ask("Really?")
        first, second, third = await see_calls(house, "bedrock", 3)
    assert response.status == "completed"
    assert (len(images(first)), len(images(second)), len(images(third))) == (0, 1, 0)
    last = second["request"]["messages"][-1]["content"]
    assert "toolResult" in last[0]
    told = [event for event in (heard.event for heard in client.of("nova.vision")) if event.response_id == response.id]
    assert told[0].frames[0].reason == "looked"


async def _has_kept(house: House, session_id: str, count: int) -> bool:
    return len(await asyncio.to_thread(_kept, house, session_id)) >= count


async def test_watch_mode_is_quiet_about_nothing_and_reports_smoke_once_a_scene(house: House) -> None:
    await tell_script(house, defaults={"bedrock": {"text": "NOTHING"}, **QUICK})
    question = "Is there smoke?"
    watch = {"question": question, "interval_ms": 500}
    async with channel(house, "watch", watch=watch, vision=VISION) as (client, _, _):
        await client.show(scene(120), captured_at_ms=int(time.time() * 1_000))
        calls = await see_calls(house, "bedrock", 1, ended=True)
        await asyncio.sleep(0.6)
        await client.show(scene(70), captured_at_ms=int(time.time() * 1_000))
        await see_calls(house, "bedrock", 2, ended=True)
        assert (client.of("nova.alert"), client.audio(), client.of("response.created")) == ([], b"", [])
        await tell_script(house, defaults={"bedrock": {"text": SMOKE}, **QUICK})
        for light in (220, 20):
            before, count = client.now, len(house.aws.journal(service="bedrock"))
            await asyncio.sleep(0.6)
            await client.show(scene(light), captured_at_ms=int(time.time() * 1_000))
            alert = (await client.wait_for("nova.alert", after=before)).event
            assert (alert.text, alert.question, alert.source) == (SMOKE, question, "camera")
            await client.wait_for("response.done", after=before)
            await see_calls(house, "bedrock", count + 1, ended=True)
    assert question in calls[0]["facts"]["system_text"]
    assert len(client.of("nova.alert")) == 2
    assert client.said() == [SMOKE, SMOKE]
