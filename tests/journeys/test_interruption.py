"""Whoever takes the floor gets it: the old reply falls silent, its calls end, and what was not heard was never said."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import Client, Heard, Json, connect, connect_socket, see_calls, tell_script
from tests.journeys.conftest import Play
from tests.journeys.sounds import silence, speech

MS_PER_CHARACTER = 40
NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
STORY = " ".join(f"This is sentence number {number} of the story." for number in NUMBERS)
LONGEST_WORD_MS = max(map(len, STORY.split())) * MS_PER_CHARACTER
MODEL_STOP_LIMIT_MS = 300
FIRST_SENTENCE = STORY[: STORY.index(".") + 1]
PLAYED_MS = len(FIRST_SENTENCE) * MS_PER_CHARACTER + 200
COUGH_MS = 120
INTERRUPTING_WORDS = "Wait a moment please"

Interrupt = Callable[[Client], Awaitable[None]]


class Interrupted(NamedTuple):
    way: str
    client: Client
    reply_id: str
    item_id: str
    flush: Heard
    told_story: Json
    next_request: Json
    polly: list[Json]


async def _by_voice(client: Client) -> None:
    """Words come with their final only, which is later than half a second of voice."""
    await client.speak(speech(1_000, seed=5), silence_ms=1_000)


async def _by_words(client: Client) -> None:
    """Too short for an interruption by voice, and the words come at once."""
    await client.speak(speech(300, seed=6), silence_ms=1_000)


async def _by_cancelling(client: Client) -> None:
    await client.send("response.cancel")
    await client.wait_for("response.done")
    await client.type_text(INTERRUPTING_WORDS)


async def _by_clearing_the_playback(client: Client) -> None:
    await client.send("output_audio_buffer.clear")
    await client.wait_for("response.done")
    await client.type_text(INTERRUPTING_WORDS)


WAYS: dict[str, tuple[Interrupt, Json]] = {
    "voice": (_by_voice, {"partials": False}),
    "words": (_by_words, {"ms_per_word": 60}),
    "response.cancel": (_by_cancelling, {}),
    "output_audio_buffer.clear": (_by_clearing_the_playback, {}),
}


async def _interrupt(house: House, way: str) -> Interrupted:
    interrupt, hearing = WAYS[way]
    await tell_script(
        house,
        texts=[INTERRUPTING_WORDS],
        bedrock=[{"text": STORY, "token_ms": 60}, {"text": "Yes."}],
        defaults={"polly": {"ms_per_character": MS_PER_CHARACTER}, "transcribe": hearing},
    )
    async with connect_socket(house) as client:
        await client.type_text("Tell me a story.")
        started = await client.wait_for("response.output_audio.delta")
        await client.wait_heard_ms(PLAYED_MS)
        place = {"item_id": started.event.item_id, "content_index": 0}
        await client.send("output_audio_buffer.progress", audio_end_ms=PLAYED_MS, **place)
        await interrupt(client)
        flush = await client.wait_for("nova.flush")
        await client.wait_for("response.done", where=lambda event: event.response.id != started.event.response_id)
        told, answered = (await see_calls(house, "bedrock", 2, ended=True))[:2]
        polly = await see_calls(house, "polly")
    place_of_old = (started.event.response_id, started.event.item_id)
    return Interrupted(way, client, *place_of_old, flush, told, answered["request"], polly)


@pytest.fixture(scope="module", params=WAYS)
def interrupted(play: Play, request: pytest.FixtureRequest) -> Interrupted:
    done: Interrupted = play(lambda house: _interrupt(house, request.param))
    return done


def test_no_speech_of_the_old_reply_follows_the_flush(interrupted: Interrupted) -> None:
    client = interrupted.client
    late = [
        heard
        for heard in client.events[client.events.index(interrupted.flush) :]
        if heard.type == "response.output_audio.delta" and heard.event.response_id == interrupted.reply_id
    ]
    assert late == []


def test_the_models_stream_is_closed_within_300_ms_of_the_flush(interrupted: Interrupted) -> None:
    assert interrupted.told_story["outcome"] == "client_closed", "the story was told to its end"
    assert interrupted.told_story["closed_ms"] - interrupted.flush.at_ms <= MODEL_STOP_LIMIT_MS


def test_the_old_response_is_done_once_as_cancelled(interrupted: Interrupted) -> None:
    ends = [heard.event.response for heard in interrupted.client.of("response.done")]
    assert [end.status for end in ends if end.id == interrupted.reply_id] == ["cancelled"]


def test_only_an_interruption_by_voice_needs_no_words_and_only_one_by_words_has_them(interrupted: Interrupted) -> None:
    client = interrupted.client
    before = client.events[: client.events.index(interrupted.flush)]
    has_words = any(heard.type == "nova.transcript" and heard.event.text for heard in before)
    assert has_words == (interrupted.way == "words")


def test_the_flush_names_what_is_to_be_dropped(interrupted: Interrupted) -> None:
    event = interrupted.flush.event
    assert (event.response_id, event.item_id) == (interrupted.reply_id, interrupted.item_id)
    assert event.heard_ms == PLAYED_MS


def _remembered_story(request: Json) -> str:
    answers = [message for message in request["messages"] if message["role"] == "assistant"]
    return " ".join(part["text"] for message in answers for part in message["content"])


def test_the_next_request_remembers_what_was_heard_and_no_sentence_that_was_not(interrupted: Interrupted) -> None:
    remembered = _remembered_story(interrupted.next_request)
    assert remembered.startswith(FIRST_SENTENCE)
    assert STORY.startswith(remembered)
    assert len(remembered) < 2 * len(FIRST_SENTENCE), "the second sentence had only begun"


def test_the_user_who_interrupted_is_answered(interrupted: Interrupted) -> None:
    last = interrupted.next_request["messages"][-1]
    assert (last["role"], last["content"][-1]["text"]) == ("user", INTERRUPTING_WORDS)
    assert interrupted.client.of("response.done")[-1].event.response.status == "completed"


def test_no_sentence_is_asked_of_polly_after_the_flush(interrupted: Interrupted) -> None:
    after = [
        call["facts"]["text"]
        for call in interrupted.polly
        if call["opened_ms"] > interrupted.flush.at_ms + MODEL_STOP_LIMIT_MS
    ]
    assert [text for text in after if text in STORY] == []


async def test_a_standard_client_sees_the_response_cancelled_and_no_speech_after(house: House) -> None:
    answers = [{"text": STORY, "token_ms": 60}, {"text": "Yes."}]
    voice = {"polly": {"ms_per_character": MS_PER_CHARACTER}}
    await tell_script(house, texts=[INTERRUPTING_WORDS], bedrock=answers, defaults=voice)
    async with connect(house) as client:
        await client.type_text("Tell me a story.")
        first = await client.wait_for("response.output_audio.delta")
        old_id = first.event.response_id
        await client.speak(speech(1_000), silence_ms=1_000)
        await client.wait_for("response.done", where=lambda event: event.response.id != old_id)
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    done = client.of("response.done")[0]
    assert (done.event.response.id, done.event.response.status) == (old_id, "cancelled")
    assert done.event.response.status_details.reason == "turn_detected"
    after = client.events[client.events.index(done) :]
    assert [h for h in after if h.type == "response.output_audio.delta" and h.event.response_id == old_id] == []
    remembered, played_ms = _remembered_story(request), done.at_ms - first.at_ms
    assert STORY.startswith(remembered)
    assert len(remembered) * MS_PER_CHARACTER <= played_ms + LONGEST_WORD_MS


async def test_a_cough_interrupts_nothing(house: House) -> None:
    text = "This answer is long enough for somebody to cough while it is spoken. And it goes on to its end."
    await tell_script(
        house,
        bedrock=[{"text": text}],
        defaults={"polly": {"ms_per_character": MS_PER_CHARACTER}, "transcribe": {"min_speech_ms": 250}},
    )
    async with connect_socket(house) as client:
        await client.type_text("Tell me something.")
        await client.wait_for("response.output_audio.delta")
        await client.speak(speech(COUGH_MS, seed=9) + silence(600), silence_ms=0)
        response = (await client.wait_for("response.done")).event.response
    assert response.status == "completed"
    assert client.said() == [text]
    assert client.of("nova.flush") == []


async def test_a_reply_that_may_not_be_interrupted_is_not(house: House) -> None:
    await tell_script(house, texts=["Let me in"], bedrock=[{"text": "I speak to my end. Whatever you say."}])
    async with connect_socket(house) as client:
        await client.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
        await client.type_text("Speak.")
        await client.wait_for("response.output_audio.delta")
        await client.speak(speech(800), silence_ms=800)
        first, _ = await asyncio.gather(
            client.wait_for("response.done"), client.wait_for("conversation.item.input_audio_transcription.completed")
        )
    assert first.event.response.status == "completed"
    assert client.of("nova.flush") == []


async def test_asking_for_a_response_while_one_is_in_progress_is_refused_and_disturbs_nothing(house: House) -> None:
    await tell_script(house, bedrock=[{"text": "One answer at a time.", "token_ms": 60}])
    async with connect_socket(house) as client:
        await client.type_text("Answer.")
        await client.wait_for("response.created")
        await client.type_text("Answer at once.")
        fault = await client.wait_for("error")
        response = (await client.wait_for("response.done")).event.response
    assert fault.event.error.code == "conversation_already_has_active_response"
    assert "response.create" in fault.event.error.message
    assert (response.status, client.said()) == ("completed", ["One answer at a time."])


async def test_cancelling_nothing_is_an_error_that_says_so(house: House) -> None:
    async with connect_socket(house) as client:
        await client.send("response.cancel", event_id="mine")
        fault = await client.wait_for("error")
    assert (fault.event.error.code, fault.event.error.event_id) == ("response_cancel_not_active", "mine")


async def test_the_clients_own_truncation_cuts_what_the_model_remembers(house: House) -> None:
    await tell_script(
        house,
        bedrock=[{"text": "The first part was heard. The second part was not."}, {"text": "Yes."}],
        defaults={"polly": {"ms_per_character": MS_PER_CHARACTER}},
    )
    async with connect(house) as client:
        await client.ask("Speak.")
        item_id = client.of("response.output_audio.delta")[0].event.item_id
        heard_ms = len("The first part was heard.") * MS_PER_CHARACTER
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=heard_ms)
        await client.wait_for("conversation.item.truncated")
        await client.ask("And now?")
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    assert _remembered_story(request) == "The first part was heard."
