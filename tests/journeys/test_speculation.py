"""The reply begins before the turn has ended: kept when the words stay, and without a trace when they do not."""

from typing import NamedTuple

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
from tests.journeys.sounds import silence, speech

QUESTION = "please tell me the time"
ANSWER = "It is noon. The sun is high."
BEGINNING, WHOLE = "please book a table", "please book a table for two people"
FIRST_VOICE_MS, THOUGHT_MS, SECOND_VOICE_MS = 900, 350, 800
SETTLED_AFTER_MS, FINAL_AFTER_MS = 60, 1_500
SPECULATING = {"llm": {"greeting": ""}, "turns": {"speculation": True}}
TOOL = {"name": "current_time", "input": {"timezone": "UTC"}}


class Talk(NamedTuple):
    client: Client
    models: list[Json]
    finals_ms: list[float]


async def _started(house: House) -> str:
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY, properties=SPECULATING)
    return ticket


async def _kept(house: House) -> Talk:
    await tell_script(
        house,
        bedrock=[{"text": ANSWER, "first_token_ms": 100}],
        defaults={
            "polly": {"ms_per_character": 10},
            "transcribe": {"text": QUESTION, "stable_ms": SETTLED_AFTER_MS, "final_ms": FINAL_AFTER_MS},
        },
    )
    async with connect_socket(house, key=await _started(house)) as client:
        await client.speak(speech(1_000), silence_ms=2_500)
        await client.wait_for("response.done")
        models = await see_calls(house, "bedrock", ended=True)
        heard = await see_calls(house, "transcribe")
    return Talk(client, models, [each["final_sent_ms"] for each in heard[-1]["facts"]["utterances"]])


async def _dropped(house: House) -> Talk:
    """The user stops to think just long enough for a reply to begin, and goes on."""
    goes_on_ms = FIRST_VOICE_MS + THOUGHT_MS
    ends_ms = goes_on_ms + SECOND_VOICE_MS
    results = [
        {"at_audio_ms": 500, "text": "please book", "is_partial": True, "result_id": "one"},
        {"at_audio_ms": FIRST_VOICE_MS + 20, "text": BEGINNING, "is_partial": True, "result_id": "one"},
        {"at_audio_ms": ends_ms, "text": WHOLE, "is_partial": True, "result_id": "one"},
        {"at_audio_ms": ends_ms + 900, "text": WHOLE, "is_partial": False, "result_id": "one"},
    ]
    for result in results:
        words = str(result["text"]).split()
        result["items"] = [{"content": word, "stable": True} for word in words]
    await tell_script(
        house,
        bedrock=[{"text": "Let me see.", "tool_use": TOOL}, {"text": ANSWER}],
        defaults={"polly": {"ms_per_character": 10}, "transcribe": {"results": results}},
    )
    async with connect_socket(house, key=await _started(house)) as client:
        sound = speech(FIRST_VOICE_MS) + silence(THOUGHT_MS) + speech(SECOND_VOICE_MS, seed=2)
        await client.speak(sound, silence_ms=2_500)
        await client.wait_for("response.done")
        models = await see_calls(house, "bedrock", 2, ended=True)

    return Talk(client, models, [])


@pytest.fixture(scope="module")
def kept(play: Play) -> Talk:
    done: Talk = play(_kept)
    return done


@pytest.fixture(scope="module")
def dropped(play: Play) -> Talk:
    done: Talk = play(_dropped)
    return done


def test_the_model_is_asked_before_the_final_transcript_was_sent(kept: Talk) -> None:
    assert kept.models[0]["opened_ms"] < kept.finals_ms[0]


def test_the_model_is_asked_before_the_turn_has_ended(kept: Talk) -> None:
    committed = kept.client.of("input_audio_buffer.committed")[0]
    assert kept.models[0]["opened_ms"] < committed.at_ms


def test_nothing_of_the_reply_is_told_before_the_turn_has_ended(kept: Talk) -> None:
    types = [heard.type for heard in kept.client.events]
    committed = types.index("input_audio_buffer.committed")
    assert [name for name in types[:committed] if name.startswith("response.")] == []


def test_a_kept_reply_was_asked_for_once_and_is_told_whole(kept: Talk) -> None:
    assert len(kept.models) == 1
    assert kept.client.said() == [ANSWER]
    assert [heard.event.response.status for heard in kept.client.of("response.done")] == ["completed"]


def test_words_that_went_on_are_answered_once_and_whole(dropped: Talk) -> None:
    assert dropped.models[-1]["facts"]["last_user_text"] == WHOLE
    assert dropped.client.said() == [ANSWER]
    assert len(dropped.client.of("response.created")) == 1


def test_a_dropped_reply_had_really_begun(dropped: Talk) -> None:
    assert dropped.models[0]["facts"]["last_user_text"] == BEGINNING
    assert len(dropped.models) >= 2


def test_a_dropped_reply_ran_no_tool_and_is_in_no_history(dropped: Talk) -> None:
    for call in dropped.models:
        parts = [part for message in call["request"]["messages"] for part in message["content"]]
        assert [part for part in parts if "toolResult" in part or "toolUse" in part] == []
        assert [message["role"] for message in call["request"]["messages"]] == ["user"]


def test_a_dropped_reply_leaves_no_event(dropped: Talk) -> None:
    texts = [str(heard.event) for heard in dropped.client.events]
    assert [text for text in texts if "Let me see" in text] == []
    assert dropped.client.fault_codes() == []
