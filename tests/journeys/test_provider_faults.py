"""When an outside ear, mind or mouth fails: the client is told, each turn ends once, and nothing is said or heard twice."""

import asyncio
from typing import Any

import pytest

from tests.house import House
from tests.journeys.client import Client, Json, connect_socket, generate_ticket, see_calls, start_channel, tell_script
from tests.journeys.conftest import CALLER_KEY
from tests.journeys.sounds import duration_ms, speech

MS_PER_CHARACTER = 20
QUICK_VOICE = {"polly": {"ms_per_character": MS_PER_CHARACTER}}
FOREVER = 1_000
TOLD_WITHIN_MS = 2_500
THROTTLED = {"error": {"type": "ThrottlingException"}}
ANSWER = "Here is the answer."
FIRST, SECOND, THIRD = "The first sentence is fine.", "The second one has no voice.", "The third one is fine too."
TEXT_BEFORE_FAULT = "This much was said. And then "


def _assert_each_turn_ended_once(client: Client) -> None:
    """V3: every response that was created is done, once, and after its end nothing of it follows."""
    created = [heard.event.response.id for heard in client.of("response.created")]
    done = [heard.event.response.id for heard in client.of("response.done")]
    assert created == done == list(dict.fromkeys(created))
    for heard in client.of("response.done"):
        later = [h for h in client.events[client.events.index(heard) + 1 :] if h.type.startswith("response.")]
        assert [h.type for h in later if getattr(h.event, "response_id", "") == heard.event.response.id] == []


def _faults(client: Client) -> list[tuple[str, bool]]:
    return [(heard.event.error.code, heard.event.error.retriable) for heard in client.of("error")]


async def _ask(house: House, question: str = "Can you answer?") -> tuple[Client, Any]:
    async with connect_socket(house) as client:
        response = await client.ask(question)
        _assert_each_turn_ended_once(client)
    return client, response


async def _ask_twice(house: House) -> tuple[Client, list[str]]:
    async with connect_socket(house) as client:
        statuses = [(await client.ask("Can you answer?")).status, (await client.ask("And now?")).status]
        _assert_each_turn_ended_once(client)
    return client, statuses


# --- the mind ---------------------------------------------------------------------------------------------------


async def test_a_throttled_model_is_asked_again_and_the_client_does_not_notice(house: House) -> None:
    await tell_script(house, bedrock=[THROTTLED, {"text": ANSWER}], defaults=QUICK_VOICE)
    client, response = await _ask(house)
    assert (response.status, client.said(), _faults(client)) == ("completed", [ANSWER], [])
    outcomes = [call["outcome"] for call in await see_calls(house, "bedrock", 2)]
    assert outcomes == ["refused", "completed"]


async def test_a_model_that_stays_throttled_fails_the_turn_with_a_code_and_the_next_turn_works(house: House) -> None:
    throttled = {**THROTTLED, "times": FOREVER, "match": {"last_user_text": r"^Can you answer\?$"}}
    await tell_script(house, bedrock=[throttled, {"text": ANSWER}], defaults=QUICK_VOICE)
    client, statuses = await _ask_twice(house)
    assert statuses == ["failed", "completed"]
    assert set(_faults(client)) == {("provider_throttled", True)}
    failed = client.of("response.done")[0].event.response
    assert failed.status_details.error.code == "provider_throttled"


async def test_a_refused_request_is_never_tried_again(house: House) -> None:
    refused = {"error": {"type": "AccessDeniedException", "message": "You may not."}}
    await tell_script(house, bedrock=[refused], defaults=QUICK_VOICE)
    client, response = await _ask(house)
    assert (response.status, _faults(client)) == ("failed", [("llm_unavailable", False)])
    assert len(await see_calls(house, "bedrock")) == 1


@pytest.mark.parametrize("kind", ["exception", "reset", "cut", "bad_crc", "garbage"])
async def test_a_stream_that_breaks_before_its_first_token_is_opened_again(house: House, kind: str) -> None:
    plans = [{"text": "Never heard.", "fault": {"at_event": 1, "kind": kind}}, {"text": ANSWER}]
    await tell_script(house, bedrock=plans, defaults=QUICK_VOICE)
    client, response = await _ask(house)
    assert (response.status, client.said(), _faults(client)) == ("completed", [ANSWER], [])
    assert len(await see_calls(house, "bedrock", 2)) == 2


@pytest.mark.parametrize("kind", ["exception", "reset", "cut", "end", "bad_crc"])
async def test_a_stream_that_breaks_after_its_first_sentence_is_not_opened_again(house: House, kind: str) -> None:
    fault = {"at_event": 8, "kind": kind}
    broken = {"text": TEXT_BEFORE_FAULT + "more would have come.", "fault": fault, "token_ms": 30}
    await tell_script(house, bedrock=[broken, {"text": ANSWER}], defaults=QUICK_VOICE)
    client, statuses = await _ask_twice(house)
    assert statuses == ["failed", "completed"]
    assert _faults(client) == [("provider_unavailable", True)]
    assert len(await see_calls(house, "bedrock", 2)) == 2, "one call for each turn"
    assert TEXT_BEFORE_FAULT.startswith(client.said()[0].rstrip())


async def test_the_client_is_told_of_a_broken_stream_within_two_and_a_half_seconds(house: House) -> None:
    broken = {"text": TEXT_BEFORE_FAULT + "more.", "fault": {"at_event": 8, "kind": "exception"}}
    await tell_script(house, bedrock=[broken], defaults=QUICK_VOICE)
    client, _ = await _ask(house)
    call = (await see_calls(house, "bedrock", ended=True))[0]
    assert client.of("error")[0].at_ms - call["closed_ms"] < TOLD_WITHIN_MS


async def test_a_failed_turn_leaves_a_history_the_service_takes(house: House) -> None:
    """The emulator refuses roles that do not alternate and blank texts, as the service does."""
    broken = {"text": TEXT_BEFORE_FAULT + "more.", "fault": {"at_event": 8, "kind": "exception"}}
    refused = {"error": {"type": "AccessDeniedException"}}
    await tell_script(house, bedrock=[broken, refused, {"text": ANSWER}], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        statuses = [(await client.ask(f"Question {number}")).status for number in range(3)]
        _assert_each_turn_ended_once(client)
    assert statuses == ["failed", "failed", "completed"]


# --- the mouth --------------------------------------------------------------------------------------------------


def _silent_second(times: int) -> Json:
    return {**THROTTLED, "times": times, "match": {"text": SECOND}}


async def test_a_throttled_voice_is_asked_again_and_the_client_does_not_notice(house: House) -> None:
    text = f"{FIRST} {SECOND} {THIRD}"
    await tell_script(house, bedrock=[{"text": text}], polly=[_silent_second(1)], defaults=QUICK_VOICE)
    client, response = await _ask(house)
    assert (response.status, client.said(), _faults(client)) == ("completed", [text], [])
    spoken_ms = sum(map(len, (FIRST, SECOND, THIRD))) * MS_PER_CHARACTER
    assert duration_ms(client.audio()) == pytest.approx(spoken_ms, abs=5)


async def test_a_sentence_that_finds_no_voice_is_told_of_and_the_rest_is_spoken(house: House) -> None:
    text = f"{FIRST} {SECOND} {THIRD}"
    await tell_script(house, bedrock=[{"text": text}], polly=[_silent_second(FOREVER)], defaults=QUICK_VOICE)
    client, response = await _ask(house)
    assert (response.status, client.said()) == ("completed", [text])
    assert set(_faults(client)) == {("provider_throttled", True)}
    spoken_ms = (len(FIRST) + len(THIRD)) * MS_PER_CHARACTER
    assert duration_ms(client.audio()) == pytest.approx(spoken_ms, abs=5)


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_speech_that_breaks_off_goes_on_where_it_broke_off(house: House, kind: str) -> None:
    at_bytes = 6_400
    broken = {"match": {"text": FIRST}, "fault": {"at_bytes": at_bytes, "kind": kind}, "tone_hz": 500}
    whole = {"polly": {"ms_per_character": MS_PER_CHARACTER, "tone_hz": 500}}
    await tell_script(house, bedrock=[{"text": FIRST}], polly=[broken], defaults=whole)
    client, response = await _ask(house)
    assert (response.status, client.said()) == ("completed", [FIRST])
    assert _faults(client) == [("provider_unavailable", True)]
    assert duration_ms(client.audio()) == pytest.approx(len(FIRST) * MS_PER_CHARACTER, abs=5)
    assert len(await see_calls(house, "polly", 2)) == 2


async def test_a_voice_that_refuses_everything_leaves_the_words_as_captions(house: House) -> None:
    refused = {"error": {"type": "AccessDeniedException"}, "times": FOREVER}
    await tell_script(house, bedrock=[{"text": ANSWER}], polly=[refused], defaults=QUICK_VOICE)
    client, response = await _ask(house)
    assert (client.said(), client.audio()) == ([ANSWER], b"")
    assert _faults(client) == [("provider_refused", False)]
    assert response.status in ("completed", "failed")


# --- the ear ----------------------------------------------------------------------------------------------------


WORDS = "Please remind me of my sister's birthday"
EAR_FAULTS: list[Json] = [
    {"kind": "cut"},
    {"kind": "reset"},
    {"kind": "end"},
    {"kind": "bad_crc"},
    {"kind": "exception", "exception": "InternalFailureException"},
    {"kind": "exception", "exception": "ServiceUnavailableException"},
]


async def _speak_over_a_broken_stream(house: House, faults: list[Json], texts: list[str]) -> Client:
    ears = [{"faults": faults, "texts": [WORDS]}, {"texts": texts}]
    await tell_script(house, transcribe=ears, bedrock=[{"text": ANSWER}], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await client.speak(speech(1_400), silence_ms=1_000)
        await client.wait_for("response.done")
        await see_calls(house, "transcribe", 2)
        _assert_each_turn_ended_once(client)
    return client


@pytest.mark.parametrize("fault", EAR_FAULTS, ids=lambda fault: str(fault.get("exception", fault["kind"])))
async def test_an_ear_lost_in_mid_sentence_is_opened_again_and_no_word_is_doubled(house: House, fault: Json) -> None:
    client = await _speak_over_a_broken_stream(house, [{"at_audio_ms": 700, **fault}], [WORDS])
    assert client.captions() == [WORDS]
    call = (await see_calls(house, "bedrock"))[0]
    assert call["facts"]["last_user_text"] == WORDS
    assert client.said() == [ANSWER]


async def test_the_sound_of_a_lost_ear_is_heard_again_by_the_next_one_from_the_beginning(house: House) -> None:
    await _speak_over_a_broken_stream(house, [{"at_audio_ms": 700, "kind": "cut"}], [WORDS])
    lost, heard = await see_calls(house, "transcribe", 2)
    sounds = [await asyncio.to_thread(house.aws.audio, call["id"]) for call in (lost, heard)]
    assert len(sounds[0]) > 0
    assert sounds[1].startswith(sounds[0])


async def test_an_ear_lost_after_the_words_were_final_does_not_hear_them_again(house: House) -> None:
    ears = [
        {"faults": [{"at_audio_ms": 1_800, "kind": "cut"}], "texts": ["First question?"]},
        {"texts": ["Second one?"]},
    ]
    await tell_script(house, transcribe=ears, defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        await client.speak(speech(800), silence_ms=1_400)
        await client.wait_for("response.done")
        before = client.now
        await client.speak(speech(800, seed=3), silence_ms=1_000)
        await client.wait_for("response.done", after=before)
        _assert_each_turn_ended_once(client)
    assert client.captions() == ["First question?", "Second one?"]


async def test_an_ear_that_cannot_be_opened_is_told_of_and_the_talk_goes_on_by_keyboard(house: House) -> None:
    shut = {"error": {"type": "ServiceUnavailableException", "status": 503}, "times": FOREVER}
    await tell_script(house, transcribe=[shut], bedrock=[{"text": ANSWER}], defaults=QUICK_VOICE)
    async with connect_socket(house) as client:
        speaking = asyncio.create_task(client.speak(speech(1_000)))
        fault = await client.wait_for("error")
        response = await client.ask("Can you read me?")
        await speaking
    assert (fault.event.error.code, fault.event.error.retriable) == ("provider_unavailable", True)
    assert (response.status, client.said()) == ("completed", [ANSWER])


async def test_refused_credentials_of_the_ear_are_told_of_once_and_not_tried_again(house: House) -> None:
    refused = {"error": {"type": "AccessDeniedException", "status": 403}, "times": FOREVER}
    await tell_script(house, transcribe=[refused])
    async with connect_socket(house) as client:
        await client.speak(speech(1_000), silence_ms=1_500)
        await client.wait_for("error")
    assert _faults(client) == [("stt_credentials", False)]
    assert len(await see_calls(house, "transcribe")) == 1


async def test_an_answer_that_is_late_is_bridged_by_a_phrase(house: House) -> None:
    late = {"text": ANSWER, "first_token_ms": 3_500}
    await tell_script(house, bedrock=[late], defaults=QUICK_VOICE)
    channel, secret = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel, key=CALLER_KEY, properties={"llm": {"filler_ms": 1_000, "greeting": ""}})
    async with connect_socket(house, key=secret) as client:
        await client.ask("Think about it.")
    assert client.said() == [f"One moment, please. {ANSWER}"]
