"""Sound reaches Transcribe bit by bit as the client sent it, and Polly's reaches the client as it was spoken."""

import asyncio
import base64
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import Client, connect, connect_socket, see_calls, tell_script
from tests.journeys.conftest import Play
from tests.journeys.sounds import loudest_other_db, silence, speech, tone_level_db

RATES_HZ = (8_000, 16_000, 24_000, 48_000)
CHUNK_SAMPLES = (1, 7, 333, 1_601, 4_799)
TONE_HZ = 3_000
TONE_AMPLITUDE = 0.5
EDGE_MS = 100


class Sent(NamedTuple):
    sound: bytes
    heard: bytes
    declared_rate: str


def _odd_pieces(pcm: bytes) -> Iterator[bytes]:
    """Whole samples, but never a number of them that anything here is likely to work with."""
    start, number = 0, 0
    while start < len(pcm):
        size = CHUNK_SAMPLES[number % len(CHUNK_SAMPLES)] * 2
        yield pcm[start : start + size]
        start, number = start + size, number + 1


async def _say(house: House, rate_hz: int) -> Sent:
    sound = speech(1_200, rate_hz, seed=rate_hz) + silence(800, rate_hz)
    async with connect(house, rate_hz=rate_hz) as client:
        for piece in _odd_pieces(sound):
            await client.append(piece)
        await client.wait_for("conversation.item.input_audio_transcription.completed")
        call = (await see_calls(house, "transcribe", rate_hz=rate_hz))[0]
        heard = await asyncio.to_thread(house.aws.audio, call["id"])
    return Sent(sound, heard, str(call["parameters"]["sample-rate"]))


async def _say_at_all_rates(house: House) -> dict[int, Sent]:
    sent = await asyncio.gather(*(_say(house, rate_hz) for rate_hz in RATES_HZ))
    return dict(zip(RATES_HZ, sent, strict=True))


@pytest.fixture(scope="module")
def all_rates(play: Play) -> dict[int, Sent]:
    said: dict[int, Sent] = play(_say_at_all_rates)
    return said


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_transcribe_is_told_the_clients_own_rate(all_rates: dict[int, Sent], rate_hz: int) -> None:
    assert all_rates[rate_hz].declared_rate == str(rate_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_transcribe_gets_the_clients_sound_bit_by_bit(all_rates: dict[int, Sent], rate_hz: int) -> None:
    sent = all_rates[rate_hz]
    assert sent.heard[: len(sent.sound)] == sent.sound[: len(sent.heard)]
    assert len(sent.heard) > len(speech(1_200, rate_hz)), "less than the spoken part has arrived"


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_nothing_but_silence_is_added_to_the_clients_sound(all_rates: dict[int, Sent], rate_hz: int) -> None:
    added = all_rates[rate_hz].heard[len(all_rates[rate_hz].sound) :]
    assert added.count(0) == len(added)


async def test_half_a_sample_is_refused_and_shifts_nothing_that_follows(house: House) -> None:
    sound = speech(1_000) + silence(800)
    async with connect_socket(house) as client:
        await client.append(sound[:9_600])
        await client.append(sound[9_600 : 9_600 + 481])
        fault = await client.wait_for("error")
        await client.append(sound[9_600:])
        await client.wait_for("conversation.item.input_audio_transcription.completed")
        call = (await see_calls(house, "transcribe"))[0]
        heard = await asyncio.to_thread(house.aws.audio, call["id"])
    assert fault.event.error.code == "audio_odd_length"
    assert heard[: len(sound)] == sound[: len(heard)]


async def _hear_a_tone(house: House) -> Client:
    voice = {"polly": {"tone_hz": TONE_HZ, "amplitude": TONE_AMPLITUDE, "duration_ms": 1_500}}
    # Matched: the test before ends in the middle of a turn, whose reply would take this text.
    answer = {"match": {"last_user_text": "Sing"}, "text": "A tone."}
    await tell_script(house, bedrock=[answer], defaults=voice)
    async with connect(house) as client:
        await client.ask("Sing.")
    return client


@pytest.fixture(scope="module")
def tone(play: Play) -> bytes:
    """Without the edges, where a resampler rises and falls."""
    client: Client = play(_hear_a_tone)
    edge = 24 * EDGE_MS * 2
    return client.audio()[edge:-edge]


def test_pollys_tone_is_as_loud_at_the_client_as_it_was_spoken(tone: bytes) -> None:
    assert tone_level_db(tone, 24_000, TONE_HZ, TONE_AMPLITUDE) == pytest.approx(0.0, abs=0.5)


def test_the_tones_images_are_forty_decibels_below_it(tone: bytes) -> None:
    assert loudest_other_db(tone, 24_000, TONE_HZ) < -40


def test_the_tone_is_as_long_at_the_client_as_it_was_spoken(tone: bytes) -> None:
    assert len(tone) / 2 / 24 + 2 * EDGE_MS == pytest.approx(1_500, abs=1)


async def test_sound_is_base64_of_whole_samples_in_every_delta(house: House) -> None:
    await tell_script(house, bedrock=[{"match": {"last_user_text": "Speak"}, "text": "Whole samples, please."}])
    async with connect(house) as client:
        await client.ask("Speak.")
    sizes = [len(base64.b64decode(heard.event.delta)) for heard in client.of("response.output_audio.delta")]
    assert sizes
    assert [size for size in sizes if size == 0 or size % 2] == []
