"""Voice activity by level and shape: fires on speech at once, never on steady noise or hum."""

import numpy as np
import numpy.typing as npt
import pytest

from sessions.live.resampling import StreamResampler
from sessions.live.voice_activity import (
    EnergyVoiceActivity,
    VoiceActivityParameters,
    VoiceEvent,
    VoiceStarted,
    VoiceStopped,
)
from tests.local_speech import speech

Samples = npt.NDArray[np.float64]
RATE_HZ = 16_000


def to_pcm(samples: Samples) -> bytes:
    return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


def quiet(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    return np.random.default_rng(5).standard_normal(int(seconds * rate_hz)) * 5


def spoken(text: str, rate_hz: int = RATE_HZ) -> Samples:
    return np.frombuffer(speech(text, rate_hz), "<i2").astype(float)


def events(samples: Samples, rate_hz: int = RATE_HZ, piece_bytes: int = 640) -> list[VoiceEvent]:
    ear = EnergyVoiceActivity(rate_hz)
    pcm = to_pcm(samples)
    return [event for at in range(0, len(pcm), piece_bytes) for event in ear.feed(pcm[at : at + piece_bytes])]


@pytest.mark.parametrize("level", [30, 300, 3_000, 10_000])
def test_white_noise_is_no_voice(level: int) -> None:
    assert events(np.random.default_rng(1).standard_normal(RATE_HZ * 5) * level) == []


@pytest.mark.parametrize("level", [300, 3_000])
def test_white_noise_that_begins_after_silence_is_no_voice(level: int) -> None:
    noise = np.random.default_rng(2).standard_normal(RATE_HZ * 3) * level
    assert events(np.concatenate([quiet(1), noise])) == []


@pytest.mark.parametrize("mains_hz", [50, 60, 100, 120])
@pytest.mark.parametrize("level", [300, 10_000])
def test_hum_is_no_voice(mains_hz: int, level: int) -> None:
    moments = np.arange(RATE_HZ * 3) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * mains_hz * n * moments) / n**2 for n in range(1, 8)) * level
    assert events(np.concatenate([quiet(0.5), hum])) == []


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("text", ["What time is it", "Are you there", "One two three"])
def test_voiced_sound_is_found_within_60_ms_at_any_rate(text: str, rate_hz: int) -> None:
    ear = EnergyVoiceActivity(rate_hz)
    assert ear.feed(to_pcm(quiet(0.5, rate_hz))) == []
    words = spoken(text, rate_hz)
    heard, step = to_pcm(words), rate_hz // 50 * 2
    at = next(at for at in range(0, len(heard), step) if ear.feed(heard[at : at + step]))
    first_loud = int(np.argmax(np.abs(words) > 1_000))
    assert ((at + step) / 2 - first_loud) / rate_hz <= 0.060


@pytest.mark.parametrize("text", ["Stop", "Hello there", "Good morning", "Six"])
def test_speech_that_begins_without_voice_is_found_within_200_ms(text: str) -> None:
    started = events(np.concatenate([quiet(0.5), spoken(text), quiet(0.5)]))[0]
    assert isinstance(started, VoiceStarted)
    assert started.at_ms + 40 - 500 <= 200


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_one_utterance_is_one_start_and_one_stop_at_their_places(gain: float) -> None:
    words = spoken("Hello there, my friend.") * gain
    started, stopped = events(np.concatenate([quiet(0.5), words, quiet(1)]))
    assert isinstance(started, VoiceStarted)
    assert isinstance(stopped, VoiceStopped)
    assert abs(started.at_ms - 500) <= 60
    assert abs(stopped.at_ms - (500 + len(words) / 16)) <= 150


def test_speech_in_noise_is_found_and_its_end_too() -> None:
    words = spoken("Hello there, my friend.")
    noisy = (
        np.concatenate([quiet(3), words, quiet(1)])
        + np.random.default_rng(3).standard_normal(len(words) + 4 * RATE_HZ) * 100
    )
    kinds = [type(event) for event in events(noisy)]
    assert kinds[:1] + kinds[-1:] == [VoiceStarted, VoiceStopped]


def test_speech_may_begin_with_the_very_first_sample() -> None:
    first = events(np.concatenate([spoken("Good morning."), quiet(1)]))[0]
    assert isinstance(first, VoiceStarted)
    assert first.at_ms <= 60


def test_a_click_is_no_voice() -> None:
    click = quiet(2)
    click[RATE_HZ : RATE_HZ + 80] += 20_000
    assert events(click) == []


@pytest.mark.parametrize("piece_bytes", [1, 333, 3_200])
def test_pieces_of_any_size_give_the_same_events(piece_bytes: int) -> None:
    samples = np.concatenate([quiet(0.2), spoken("Hello."), quiet(0.5)])
    assert events(samples, piece_bytes=piece_bytes) == events(samples)


def test_a_higher_threshold_needs_a_louder_voice() -> None:
    whisper = to_pcm(np.concatenate([quiet(0.5), spoken("Hello there.") * 0.02, quiet(0.5)]))
    assert EnergyVoiceActivity(RATE_HZ).feed(whisper)
    strict = VoiceActivityParameters().with_threshold(1.0)
    assert not EnergyVoiceActivity(RATE_HZ, strict).feed(whisper)


def test_the_telephone_path_is_heard_too() -> None:
    to_8k = StreamResampler(RATE_HZ, 8_000)
    narrow = np.frombuffer(to_8k.process(to_pcm(spoken("Hello there."))), "<i2").astype(float)
    assert events(np.concatenate([quiet(0.5, 8_000), narrow]), 8_000)
