"""Whole conversations as a standard client holds them: spoken, greeted, typed, pushed to talk, sent at once, written."""

from typing import Any, NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import (
    Client,
    connect,
    generate_ticket,
    see_calls,
    start_channel,
    tell_script,
)
from tests.journeys.conftest import CALLER_KEY, Play
from tests.journeys.sounds import duration_ms, rms, speech
from tests.unit.realtime_judge import MODELS

QUICK_VOICE = {"polly": {"ms_per_character": 10}}
QUESTIONS = ["How far away is the moon?", "And how far is the sun?"]
ANSWERS = ["The moon is far away. Nobody walks there.", "The sun is much further."]
LEAST_RMS = 0.05
ORDER_OF_A_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]


class Talk(NamedTuple):
    client: Client
    second_turn: int
    asked_of_model: list[dict[str, Any]]


async def _two_spoken_turns(house: House) -> Talk:
    answers = [{"text": text} for text in ANSWERS]
    await tell_script(house, texts=QUESTIONS, bedrock=answers, defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.speak(speech(800))
        await client.wait_for("response.done")
        second_turn = client.now
        await client.speak(speech(800, seed=2))
        await client.wait_for("response.done", after=second_turn)
        calls = await see_calls(house, "bedrock", 2)
    return Talk(client, second_turn, [call["request"] for call in calls])


@pytest.fixture(scope="module")
def talk(play: Play) -> Talk:
    spoken: Talk = play(_two_spoken_turns)
    return spoken


def test_each_question_is_captioned_once_in_order(talk: Talk) -> None:
    assert talk.client.captions() == QUESTIONS


def test_each_answer_is_captioned_as_the_model_wrote_it(talk: Talk) -> None:
    assert talk.client.said() == ANSWERS


def test_the_captions_pieces_make_up_the_whole(talk: Talk) -> None:
    pieces = [str(heard.event.delta) for heard in talk.client.of("response.output_audio_transcript.delta")]
    assert "".join(pieces) == "".join(ANSWERS)


def test_each_answer_is_heard_in_full(talk: Talk) -> None:
    client, second_turn, _ = talk
    first, second = len(client.audio()) - len(client.audio(second_turn)), len(client.audio(second_turn))
    spoken_ms = [duration_ms(bytes(size)) for size in (first, second)]
    assert spoken_ms == [pytest.approx(len(text) * 10, abs=25) for text in ANSWERS]


def test_the_speech_has_energy(talk: Talk) -> None:
    assert rms(talk.client.audio()) > LEAST_RMS


def test_every_response_is_completed(talk: Talk) -> None:
    assert [heard.event.response.status for heard in talk.client.of("response.done")] == ["completed", "completed"]


def test_the_events_of_a_turn_come_in_the_standards_order(talk: Talk) -> None:
    client, second_turn, _ = talk
    for events in (client.events[:second_turn], client.events[second_turn:]):
        names = [heard.type for heard in events]
        first_places = [names.index(name) for name in ORDER_OF_A_TURN]
        assert first_places == sorted(first_places), names


def test_every_event_is_one_the_official_package_knows(talk: Talk) -> None:
    for heard in talk.client.events:
        assert type(heard.event) is MODELS[heard.type], heard.type
        MODELS[heard.type].model_validate(heard.event.model_dump(by_alias=True, exclude_unset=True), strict=True)


def test_events_are_numbered_without_a_gap(talk: Talk) -> None:
    numbers = [int(str(heard.event.event_id).rsplit("_", 1)[1]) for heard in talk.client.events]
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_fault_is_told_in_a_talk_without_one(talk: Talk) -> None:
    assert talk.client.fault_codes() == []


def test_the_second_question_is_asked_with_the_first_turn_as_its_history(talk: Talk) -> None:
    spoken = [(message["role"], _text_of(message)) for message in talk.asked_of_model[1]["messages"]]
    assert spoken == [("user", QUESTIONS[0]), ("assistant", ANSWERS[0]), ("user", QUESTIONS[1])]


def _text_of(message: dict[str, Any]) -> str:
    return " ".join(part["text"] for part in message["content"] if "text" in part)


async def test_a_started_channel_greets_whoever_opens_its_socket(house: House) -> None:
    await tell_script(house, defaults=QUICK_VOICE)
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    greeting = "Good day. How may I help?"
    await start_channel(house, channel_name, key=CALLER_KEY, properties={"llm": {"greeting": greeting}})
    async with connect(house, key=ticket) as client:
        await client.wait_for("response.done")
    assert client.said() == [greeting]
    assert rms(client.audio()) > LEAST_RMS
    assert house.aws.journal(service="bedrock") == []


async def test_a_socket_opened_before_start_is_greeted_when_start_comes(house: House) -> None:
    await tell_script(house, defaults=QUICK_VOICE)
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    async with connect(house, key=ticket) as client:
        await start_channel(house, channel_name, key=CALLER_KEY, web=1, properties={"llm": {"greeting": "Welcome."}})
        await client.wait_for("response.done")
    assert client.said() == ["Welcome."]


async def test_a_typed_turn_is_answered_by_speech(house: House) -> None:
    await tell_script(house, bedrock=[{"text": "Seven."}], defaults=QUICK_VOICE)
    async with connect(house) as client:
        response = await client.ask("What is three and four?")
    assert response.status == "completed"
    assert client.said() == ["Seven."]
    assert rms(client.audio()) > LEAST_RMS
    call = (await see_calls(house, "bedrock"))[0]
    assert call["facts"]["last_user_text"] == "What is three and four?"


async def test_push_to_talk_waits_for_the_commit_and_for_response_create(house: House) -> None:
    await tell_script(house, texts=["Lights on please."], bedrock=[{"text": "Done."}], defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.update(audio={"input": {"turn_detection": None}})
        await client.speak(speech(800), silence_ms=1_000)
        assert client.of("input_audio_buffer.committed") == []
        await client.send("input_audio_buffer.commit")
        await client.wait_for("conversation.item.input_audio_transcription.completed")
        assert client.of("response.created") == []
        await client.send("response.create")
        await client.wait_for("response.done")
    assert client.captions() == ["Lights on please."]
    assert client.said() == ["Done."]


async def test_push_to_talk_may_ask_for_its_answer_in_the_same_breath(house: House) -> None:
    await tell_script(house, texts=["Lights off please."], bedrock=[{"text": "{last_text}"}], defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.update(audio={"input": {"turn_detection": None}})
        await client.append(speech(800))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.wait_for("response.done")
    assert client.captions() == client.said() == ["Lights off please."]


async def test_a_whole_recording_appended_at_once_is_a_turn(house: House) -> None:
    await tell_script(house, texts=["This was recorded."], bedrock=[{"text": "So it was."}], defaults=QUICK_VOICE)
    async with connect(house) as client:
        await client.append(speech(2_000) + bytes(24_000 * 2))
        await client.wait_for("response.done")
    assert client.captions() == ["This was recorded."]
    assert client.said() == ["So it was."]


async def test_a_session_of_text_writes_and_does_not_speak(house: House) -> None:
    await tell_script(house, bedrock=[{"text": "In writing. As asked."}])
    async with connect(house) as client:
        await client.update(output_modalities=["text"])
        response = await client.ask("Write to me.")
    assert response.status == "completed"
    assert [heard.event.text for heard in client.of("response.output_text.done")] == ["In writing. As asked."]
    assert client.audio() == b""
    assert house.aws.journal(service="polly") == []
