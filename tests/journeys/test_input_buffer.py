"""The client's hold on its own sound: what it clears was never said, what it commits is answered, what it changes counts."""

import base64

import pytest

from tests.house import House
from tests.journeys.client import Client, connect_socket, see_calls, tell_script
from tests.journeys.pictures import light_of, scene
from tests.journeys.sounds import silence, speech

QUICK_VOICE = {"polly": {"ms_per_character": 10}}
CAPTIONED = "conversation.item.input_audio_transcription.completed"
FORGOTTEN, KEPT = "Alpha beta.", "Gamma delta."


async def _push_to_talk(client: Client) -> None:
    await client.update(audio={"input": {"turn_detection": None}})


async def _commit_and_caption(client: Client) -> None:
    await client.send("input_audio_buffer.commit")
    await client.wait_for(CAPTIONED)


async def test_words_cleared_in_mid_turn_are_not_answered_when_their_transcript_comes(house: House) -> None:
    await tell_script(house, texts=[FORGOTTEN, KEPT], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await client.speak(speech(400), silence_ms=0)
        await client.send("input_audio_buffer.clear")
        await client.speak(silence(800) + speech(600, seed=2), silence_ms=800)
        await client.wait_for("response.done")
        calls = await see_calls(house, "bedrock")
    assert len(client.of("input_audio_buffer.cleared")) == 1
    assert client.captions() == [KEPT]
    assert [call["facts"]["last_user_text"].rstrip(".") for call in calls] == [KEPT.rstrip(".")]


@pytest.mark.parametrize("pause_ms", [100, 900], ids=["before-its-transcript", "after-its-transcript"])
async def test_what_push_to_talk_cleared_does_not_come_with_the_next_commit(house: House, pause_ms: int) -> None:
    await tell_script(house, texts=[FORGOTTEN, KEPT])
    async with connect_socket(house) as client:
        await _push_to_talk(client)
        await client.speak(speech(600), silence_ms=pause_ms)
        await client.send("input_audio_buffer.clear")
        await client.speak(silence(400) + speech(600, seed=2), silence_ms=100)
        await _commit_and_caption(client)
    assert client.captions() == [KEPT]


async def test_a_commit_of_silence_is_answered_by_an_item_without_words(house: House) -> None:
    await tell_script(house, texts=[KEPT], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await _push_to_talk(client)
        await client.append(silence(500))
        await client.send("input_audio_buffer.commit")
        committed = await client.wait_for("input_audio_buffer.committed")
        captioned = await client.wait_for(CAPTIONED)
        assert (await client.ask("Did you hear anything?")).status == "completed"
    assert (captioned.event.item_id, captioned.event.transcript) == (committed.event.item_id, "")
    assert client.fault_codes() == []


async def test_a_response_to_a_commit_without_words_does_not_answer_the_question_before(house: House) -> None:
    await tell_script(house, texts=[KEPT], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await _push_to_talk(client)
        await client.append(speech(600))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        await client.wait_for("response.done")
        before = client.now
        await client.append(silence(500))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        done = await client.wait_for("response.done", after=before)
        calls = await see_calls(house, "bedrock")
    assert done.event.response.status == "completed"
    assert client.said(before) == ["I didn't hear anything. Please say it again."]
    assert len(calls) == 1


async def test_two_commits_are_two_turns(house: House) -> None:
    await tell_script(house, texts=[FORGOTTEN, KEPT], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await _push_to_talk(client)
        for seed in (1, 2):
            before = client.now
            await client.append(speech(600, seed=seed))
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            await client.wait_for("response.done", after=before)
    assert client.captions() == [FORGOTTEN, KEPT]


async def test_a_rate_changed_in_mid_session_counts_for_the_next_sound(house: House) -> None:
    await tell_script(house, texts=[FORGOTTEN, KEPT], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await client.speak(speech(600), silence_ms=700)
        await client.wait_for("response.done")
        before = client.now
        await client.update(audio={"input": {"format": {"type": "audio/pcm", "rate": 16_000}}})
        client.rate_hz = 16_000
        await client.speak(speech(600, 16_000), silence_ms=700)
        await client.wait_for("response.done", after=before)
        calls = await see_calls(house, "transcribe", 2)
    assert [call["parameters"]["sample-rate"] for call in calls] == ["24000", "16000"]
    assert client.captions() == [FORGOTTEN, KEPT]


async def test_a_frame_shown_in_the_breath_of_the_question_is_in_the_request(house: House) -> None:
    async with connect_socket(house) as client:
        await client.show(scene(200))
        await client.ask("What is it?")
        request = (await see_calls(house, "bedrock"))[0]["request"]
    parts = [part for message in request["messages"] for part in message["content"]]
    pictures = [base64.b64decode(part["image"]["source"]["bytes"]) for part in parts if "image" in part]
    assert [light_of(picture) for picture in pictures] == [pytest.approx(200, abs=4)]
