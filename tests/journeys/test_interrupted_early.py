"""Interruptions outside the middle of an answer: while the model thinks, before the first sound, after the last event."""

from typing import Any

import pytest

from tests.house import House
from tests.journeys.client import Client, Json, connect_socket, generate_ticket, see_calls, start_channel, tell_script
from tests.journeys.conftest import CALLER_KEY
from tests.journeys.sounds import duration_ms, speech

STOP_LIMIT_MS = 300
LONG_MS = 6_000
MS_PER_CHARACTER = 40
FIRST, SECOND = "The first part was heard.", "The second part was still to be played."
WORDS = "Never mind that"


def _spoken(request: Json) -> list[tuple[str, str]]:
    return [(message["role"], _text_of(message["content"])) for message in request["messages"]]


def _text_of(content: list[dict[str, Any]]) -> str:
    return " ".join(part["text"] for part in content if "text" in part)


def _cancelled(client: Client) -> Any:
    done = client.of("response.done")[0]
    assert done.event.response.status == "cancelled"
    return done


async def test_a_model_that_has_not_said_a_word_is_cut_off_within_300_ms(house: House) -> None:
    await tell_script(house, bedrock=[{"text": "Too late.", "first_token_ms": LONG_MS}])
    async with connect_socket(house) as client:
        await client.type_text("Think about it.")
        await see_calls(house, "bedrock")
        await client.send("response.cancel")
        await client.wait_for("response.done")
        call = (await see_calls(house, "bedrock", ended=True))[0]
    assert call["outcome"] == "client_closed"
    assert call["closed_ms"] - _cancelled(client).at_ms <= STOP_LIMIT_MS
    assert client.audio() == b""


async def test_a_reply_that_is_called_off_before_its_task_began_is_no_fault_of_the_worker(house: House) -> None:
    await tell_script(house, bedrock=[{"text": "Never asked for."}, *[{"text": "Here."}] * 8])
    async with connect_socket(house) as client:
        for _ in range(4):
            await client.type_text("Do it.")
            await client.send("response.cancel")
        await client.wait_for("response.done", where=lambda event: event.response.status == "cancelled")
        assert (await client.ask("And now?")).status == "completed"
    crashed = [process.name for process in house.processes if "raised unexpected" in process.log()]
    assert crashed == []


async def test_a_voice_that_has_not_sounded_is_cut_off_within_300_ms(house: House) -> None:
    await tell_script(house, bedrock=[{"text": FIRST}], polly=[{"first_byte_ms": LONG_MS}])
    async with connect_socket(house) as client:
        await client.type_text("Speak.")
        await see_calls(house, "polly")
        await client.send("response.cancel")
        await client.wait_for("response.done")
        call = (await see_calls(house, "polly", ended=True))[0]
    assert call["outcome"] == "client_closed"
    assert call["closed_ms"] - _cancelled(client).at_ms <= STOP_LIMIT_MS
    assert client.audio() == b""


async def test_a_user_who_speaks_on_while_the_model_thinks_is_answered_to_all_of_it(house: House) -> None:
    slow, answer = {"text": "Too late.", "first_token_ms": LONG_MS}, {"text": "Both it is."}
    await tell_script(house, texts=["I want tea", "And a cake"], bedrock=[slow, answer])
    async with connect_socket(house) as client:
        await client.speak(speech(700), silence_ms=700)
        await client.wait_for("response.created")
        await client.speak(speech(900, seed=2), silence_ms=900)
        await client.wait_for("response.done", where=lambda event: event.response.status == "completed")
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    _cancelled(client)
    assert _spoken(request) == [("user", "I want tea And a cake")]
    assert client.said() == ["Both it is."]


async def test_speech_that_is_still_played_after_its_response_was_done_is_flushed_and_cut_from_history(
    house: House,
) -> None:
    voice = {"polly": {"ms_per_character": MS_PER_CHARACTER}}
    await tell_script(house, texts=[WORDS], bedrock=[{"text": f"{FIRST} {SECOND}"}, {"text": "Good."}], defaults=voice)
    async with connect_socket(house) as client:
        await client.ask("Speak.")
        done = client.now
        item_id = client.of("response.output_audio.delta")[0].event.item_id
        heard_ms = len(FIRST) * MS_PER_CHARACTER
        await client.send("output_audio_buffer.progress", item_id=item_id, content_index=0, audio_end_ms=heard_ms)
        await client.speak(speech(800), silence_ms=800)
        flush = await client.wait_for("nova.flush")
        await client.wait_for("response.done", after=done)
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    assert (flush.event.item_id, flush.event.heard_ms) == (item_id, heard_ms)
    assert _spoken(request) == [("user", "Speak."), ("assistant", FIRST), ("user", WORDS)]


async def test_an_answer_heard_to_its_end_is_remembered_whole(house: House) -> None:
    voice = {"polly": {"ms_per_character": MS_PER_CHARACTER}}
    text = f"{FIRST} {SECOND}"
    await tell_script(house, texts=[WORDS], bedrock=[{"text": text}, {"text": "Good."}], defaults=voice)
    async with connect_socket(house) as client:
        await client.ask("Speak.")
        done, item_id = client.now, client.of("response.output_audio.delta")[0].event.item_id
        end_ms = int(duration_ms(client.audio()))
        await client.send("output_audio_buffer.progress", item_id=item_id, content_index=0, audio_end_ms=end_ms)
        await client.speak(speech(800), silence_ms=800)
        await client.wait_for("response.done", after=done)
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    assert _spoken(request)[1] == ("assistant", text)


async def test_a_greeting_can_be_interrupted(house: House) -> None:
    greeting = "Welcome to this house. There is much to be said about it, and I shall say all of it now."
    await tell_script(house, texts=[WORDS], bedrock=[{"text": "Very well."}])
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY, properties={"llm": {"greeting": greeting}})
    async with connect_socket(house, key=ticket) as client:
        await client.wait_for("response.output_audio.delta")
        await client.speak(speech(900), silence_ms=900)
        await client.wait_for("response.done", where=lambda event: event.response.status == "completed")
        request = (await see_calls(house, "bedrock"))[0]["request"]
    _cancelled(client)
    said = [text for role, text in _spoken(request) if role == "assistant"]
    assert greeting not in " ".join(said)


@pytest.mark.parametrize("cough_ms", [100, 200])
async def test_a_sound_shorter_than_half_a_second_without_words_interrupts_nothing(house: House, cough_ms: int) -> None:
    hearing = {"transcribe": {"min_speech_ms": 600}}
    text = "This answer goes on and on while somebody coughs, and nobody minds it."
    await tell_script(house, bedrock=[{"text": text}], defaults=hearing)
    async with connect_socket(house) as client:
        await client.type_text("Speak.")
        await client.wait_for("response.output_audio.delta")
        await client.speak(speech(cough_ms, seed=9), silence_ms=800)
        response = (await client.wait_for("response.done")).event.response
    assert response.status == "completed"
    assert client.of("nova.flush") == []
