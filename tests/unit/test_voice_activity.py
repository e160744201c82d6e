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


def coloured(seconds: float, slope: float, dbfs: float, seed: int = 1) -> Samples:
    """Noise whose power falls with the frequency to `slope`: 0 is white, 1 pink, 2 brown."""
    count = int(seconds * RATE_HZ)
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    hz[0] = hz[1]
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count)) * np.where(
        hz < 20, 0, hz ** (-slope / 2)
    )
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise / noise.std() * 32_768 * 10 ** (dbfs / 20))


def fan(seconds: float, dbfs: float) -> Samples:
    """Rushing air, and the blades' tone with its harmonics, louder and softer."""
    air = coloured(seconds, 1.6, 0.0)
    moments = np.arange(len(air)) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * 92 * n * moments) * 0.8 / n for n in range(1, 5))
    sound = (air / air.std() + tones) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * moments))
    return np.asarray(sound / sound.std() * 32_768 * 10 ** (dbfs / 20))


@pytest.mark.parametrize("dbfs", [-50, -40, -20, -10])
@pytest.mark.parametrize("slope", [0, 1, 2], ids=["white", "pink", "brown"])
def test_noise_of_any_colour_is_no_voice_from_the_first_sample_nor_after_silence(slope: float, dbfs: float) -> None:
    noise = coloured(5, slope, dbfs)
    assert events(noise) == []
    assert events(np.concatenate([quiet(2), noise])) == []


@pytest.mark.parametrize("dbfs", [-40, -20])
def test_a_fan_is_no_voice(dbfs: float) -> None:
    assert events(np.concatenate([quiet(2), fan(5, dbfs)])) == []


def test_thirty_seconds_of_white_noise_at_20_dbfs_start_nothing() -> None:
    assert events(coloured(30, 0, -20)) == []


@pytest.mark.parametrize("text", ["What time is it?", "Hello there, my friend.", "Show me, please."])
@pytest.mark.parametrize(("slope", "snr_db"), [(0, 10), (1, 10), (2, 5)], ids=["white", "pink", "brown"])
def test_speech_is_found_in_noise_it_stands_out_of(text: str, slope: float, snr_db: float) -> None:
    words = spoken(text)
    level_db = 20 * np.log10(np.sqrt(np.mean(words[np.abs(words) > 200] ** 2)) / 32_768)
    sound = np.concatenate([np.zeros(3 * RATE_HZ), words, np.zeros(RATE_HZ // 2)])
    sound += coloured(len(sound) / RATE_HZ, slope, level_db - snr_db)
    starts = [event.at_ms for event in events(sound) if isinstance(event, VoiceStarted)]
    assert starts
    assert 2_900 <= starts[0] <= 3_300


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
