"""Voice activity by the Silero model: deaf to noise of every colour, quick on speech, one stream apart from another."""

import asyncio
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sessions.live.silero_batch import Judged, SileroBatch
from sessions.live.silero_model import Floats, SileroModel, VoiceModelFailedError
from sessions.live.silero_voice import SileroParameters, SileroVoiceActivity
from sessions.live.voice_activity import VoiceEvent, VoiceStarted, VoiceStopped
from tests.local_speech import speech
from tests.voice import write_question

Samples = npt.NDArray[np.float64]
RATE_HZ = 16_000
MINUTE = 60
CHUNK_MS = 100


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


class Counting:
    """Asks the real batch, and counts what it is asked."""

    def __init__(self, model: SileroModel) -> None:
        self._batch = SileroBatch(model)
        self.windows = 0

    async def judge(self, windows: Sequence[Floats], state: Floats) -> Judged:
        self.windows += len(windows)
        return await self._batch.judge(windows, state)


class Failing:
    async def judge(self, windows: Sequence[Floats], state: Floats) -> Judged:
        raise VoiceModelFailedError("no memory")


class Scripted:
    """Says of each window what the next number says, then that it is silence."""

    def __init__(self, *probabilities: float) -> None:
        self._probabilities = list(probabilities)

    async def judge(self, windows: Sequence[Floats], state: Floats) -> Judged:
        found = [self._probabilities.pop(0) if self._probabilities else 0.0 for _ in windows]
        return Judged(found, state)


def to_pcm(samples: Samples) -> bytes:
    return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


def coloured(power: float, seed: int, dbfs: float) -> Samples:
    """A minute of noise whose energy falls with the frequency to this power: 0 white, 1 pink, 2 brown."""
    count = MINUTE * RATE_HZ
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE_HZ)
    frequencies[0] = frequencies[1]
    noise: Samples = np.fft.irfft(spectrum / frequencies ** (power / 2), count)
    loudness: float = 32_768 * 10 ** (dbfs / 20) / float(np.sqrt(np.mean(noise**2)))
    return noise * loudness


def quiet(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    return np.random.default_rng(5).standard_normal(int(seconds * rate_hz)) * 5


def keys() -> Samples:
    """A minute of typing: bursts of 10 to 40 ms that die away."""
    chance = np.random.default_rng(7)
    sound, at = quiet(MINUTE), 0.2
    while at < MINUTE - 0.2:
        length = int(RATE_HZ * chance.uniform(0.01, 0.04))
        burst = chance.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))
        sound[int(at * RATE_HZ) : int(at * RATE_HZ) + length] += burst * chance.uniform(2_000, 15_000)
        at += chance.uniform(0.08, 0.4)
    return sound


def hum() -> Samples:
    moments = np.arange(MINUTE * RATE_HZ) / RATE_HZ
    harmonics = sum(np.sin(2 * np.pi * 50 * n * moments) / n**2 for n in range(1, 8))
    return np.asarray(harmonics * 5_000 + quiet(MINUTE))


def espeak(text: str, rate_hz: int = RATE_HZ) -> Samples:
    return np.frombuffer(speech(text, rate_hz), "<i2").astype(float)


def with_noise(samples: Samples, words: Samples, snr_db: float) -> Samples:
    level = float(np.sqrt(np.mean(words[np.abs(words) > 200] ** 2))) * 10 ** (-snr_db / 20)
    return samples + np.random.default_rng(3).standard_normal(len(samples)) * level


async def listen(
    ear: SileroVoiceActivity, samples: Samples, chunk_ms: int = CHUNK_MS, rate_hz: int = RATE_HZ
) -> list[VoiceEvent]:
    pcm, size = to_pcm(samples), rate_hz * chunk_ms // 1_000 * 2
    return [event for at in range(0, len(pcm), size) for event in await ear.hear(pcm[at : at + size])]


async def onset_ms(ear: SileroVoiceActivity, lead_in: Samples, words: Samples, rate_hz: int = RATE_HZ) -> float:
    """From the first loud sample of the words to the end of the 20 ms that gave the start; fails on an earlier start."""
    assert await listen(ear, lead_in, 20, rate_hz) == []
    pcm, step = to_pcm(np.concatenate([words, quiet(0.5, rate_hz)])), rate_hz // 50 * 2
    for at in range(0, len(pcm), step):
        if any(isinstance(event, VoiceStarted) for event in await ear.hear(pcm[at : at + step])):
            return ((at + step) / 2 - int(np.argmax(np.abs(words) > 1_000))) / rate_hz * 1_000
    raise AssertionError("the words were not heard")


@pytest.mark.parametrize("dbfs", [-40.0, -20.0])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0], ids=["white", "pink", "brown"])
async def test_a_minute_of_noise_starts_no_voice(model: SileroModel, power: float, dbfs: float) -> None:
    assert await listen(SileroVoiceActivity(RATE_HZ, SileroBatch(model)), coloured(power, 1, dbfs)) == []


@pytest.mark.parametrize("sound", [hum, keys])
async def test_a_minute_of_hum_or_typing_starts_no_voice(model: SileroModel, sound: Callable[[], Samples]) -> None:
    assert await listen(SileroVoiceActivity(RATE_HZ, SileroBatch(model)), sound()) == []


@pytest.mark.parametrize(
    "text", ["No", "Yes", "Six", "Hello there", "What time is it", "Good morning", "Fish and chips"]
)
async def test_clean_speech_is_found_within_150_ms(model: SileroModel, text: str) -> None:
    ear = SileroVoiceActivity(RATE_HZ, SileroBatch(model))
    assert await onset_ms(ear, quiet(1.5), espeak(text)) <= 150


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
async def test_speech_at_any_rate_is_found_within_150_ms(model: SileroModel, rate_hz: int) -> None:
    ear = SileroVoiceActivity(rate_hz, SileroBatch(model))
    assert await onset_ms(ear, quiet(1.5, rate_hz), espeak("What time is it", rate_hz), rate_hz) <= 150


async def test_a_human_like_voice_is_found_within_150_ms(model: SileroModel, tmp_path: Path) -> None:
    path = write_question(tmp_path / "q.wav", "hello there my friend", lead_ms=0, silence_ms=0)
    with wave.open(str(path)) as file:
        words = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    assert await onset_ms(SileroVoiceActivity(RATE_HZ, SileroBatch(model)), quiet(1.5), words) <= 150


@pytest.mark.parametrize("text", ["Stop", "Yes", "Hello there, my friend. What time is it?"])
async def test_speech_10_db_over_white_noise_is_one_voice_or_more_and_ends(model: SileroModel, text: str) -> None:
    words = espeak(text)
    noisy = with_noise(np.concatenate([quiet(2), words, quiet(1)]), words, 10)
    heard = await listen(SileroVoiceActivity(RATE_HZ, SileroBatch(model)), noisy)
    assert isinstance(heard[0], VoiceStarted)
    assert isinstance(heard[-1], VoiceStopped)
    assert 2_000 - 40 <= heard[0].at_ms <= 2_000 + 200


async def test_start_and_stop_are_placed_where_the_words_are(model: SileroModel) -> None:
    words = espeak("Hello there, my friend.")
    ear = SileroVoiceActivity(RATE_HZ, SileroBatch(model))
    started, stopped = await listen(ear, np.concatenate([quiet(2), words, quiet(1)]))
    assert abs(started.at_ms - 2_000) <= 100
    assert abs(stopped.at_ms - (2_000 + len(words) / 16)) <= 150


async def test_silence_needs_no_model(model: SileroModel) -> None:
    counting = Counting(model)
    ear = SileroVoiceActivity(RATE_HZ, counting)
    await listen(ear, quiet(10))
    assert counting.windows == 0
    assert ear.position_ms == 10_000


async def test_streams_judged_together_hear_what_each_hears_alone(model: SileroModel) -> None:
    sounds = [np.concatenate([quiet(0.5), espeak(text), quiet(1)]) for text in ("Hello there", "Good morning", "Stop")]
    sounds.append(quiet(2))
    alone = [await listen(SileroVoiceActivity(RATE_HZ, SileroBatch(model)), sound) for sound in sounds]
    shared = SileroBatch(model)
    together = await asyncio.gather(*(listen(SileroVoiceActivity(RATE_HZ, shared), sound) for sound in sounds))
    assert together == alone
    assert [len(events) for events in alone] == [2, 2, 2, 0]


async def test_the_same_sound_gives_the_same_events_twice(model: SileroModel) -> None:
    sound = np.concatenate([quiet(0.5), espeak("One two three, and go on."), quiet(1)])
    first, second = [await listen(SileroVoiceActivity(RATE_HZ, SileroBatch(model)), sound) for _ in range(2)]
    assert first == second


async def test_one_window_of_voice_is_too_short_and_two_are_enough() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE_HZ) * 3_000
    assert await listen(SileroVoiceActivity(RATE_HZ, Scripted(0.9, 0.1, 0.9)), noise, 32) == []
    assert await listen(SileroVoiceActivity(RATE_HZ, Scripted(0.9, 0.9)), noise, 32) == [
        VoiceStarted(0),
        VoiceStopped(64),
    ]


async def test_a_voice_goes_on_between_the_two_thresholds_and_stops_below_both() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE_HZ) * 3_000
    heard = await listen(SileroVoiceActivity(RATE_HZ, Scripted(0.6, 0.6, *[0.4] * 10, 0.3)), noise, 32)
    assert heard == [VoiceStarted(0), VoiceStopped(12 * 32)]


async def test_a_higher_threshold_wants_a_surer_voice() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE_HZ) * 3_000
    strict = SileroParameters().with_threshold(0.8)
    assert await listen(SileroVoiceActivity(RATE_HZ, Scripted(0.7, 0.7, 0.7), strict), noise, 32) == []


async def test_when_the_model_fails_the_stream_goes_on_by_energy() -> None:
    ear = SileroVoiceActivity(RATE_HZ, Failing())
    sound = np.concatenate([quiet(1), espeak("Hello there"), quiet(1)])
    started, stopped = await listen(ear, sound)
    assert isinstance(started, VoiceStarted)
    assert isinstance(stopped, VoiceStopped)
    assert abs(started.at_ms - 1_000) <= 150


def test_torch_is_not_installed_by_what_we_install() -> None:
    names = Path("requirements.txt").read_text() + Path("requirements-nodeps.txt").read_text()
    assert not any(line.startswith("torch") for line in names.splitlines())
