"""Sound for clips: speech of espeak and flite with the end of each word, coughs and knocks by arithmetic, a room's noise."""

import shutil
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sessions.live.resampling import StreamResampler
from tests.benchmarks.turn_quality.clips import RATE_HZ, Language
from tests.local_speech import SETTINGS
from tests.voice import write_question
from workers.text_to_speech.contract import VoiceOptions
from workers.text_to_speech.local import LocalSynthesiser

Floats = npt.NDArray[np.float64]
FLITE = "flite"
SPEECH_DBFS = -20.0
ROOM_DBFS = -66.0
_EDGE_SHARE = 0.02
_CLOSING_MARKS = ".。?？"
_LANGUAGES: dict[Language, str] = {"en": "en-US", "zh": "cmn-CN"}
WordEnds = tuple[tuple[float, str], ...]


def voices(language: Language) -> tuple[str, str]:
    """Two that differ; where flite is not installed, another of espeak's."""
    if language == "zh":
        return "Zhiyu", "Matthew"
    return "Matthew", FLITE if shutil.which(FLITE) else "Ruth"


def speak(text: str, language: Language, voice: str, level_dbfs: float = SPEECH_DBFS) -> tuple[Floats, WordEnds]:
    """The sound from its first to its last audible sample, and when in it each word ends."""
    sound, starts = _by_flite(text) if voice == FLITE else _by_espeak(text, language, voice)
    sound, cut_ms = _trimmed(sound)
    duration_ms = milliseconds(len(sound))
    ends = [(min(max(0.0, start_ms - cut_ms), duration_ms), text[:at].rstrip()) for start_ms, at in starts[1:]]
    return levelled(sound, level_dbfs), (*ends, (duration_ms, text.rstrip(_CLOSING_MARKS)))


def _by_espeak(text: str, language: Language, voice: str) -> tuple[Floats, list[tuple[float, int]]]:
    synthesiser = LocalSynthesiser(SETTINGS)
    options = VoiceOptions(voice, "neural", _LANGUAGES[language])
    chunks = list(synthesiser.synthesize(text, options))
    resampler = StreamResampler(chunks[0].sample_rate_hz, RATE_HZ)
    pcm = resampler.process(b"".join(chunk.pcm for chunk in chunks)) + resampler.flush()
    return _floats(pcm), [(mark.start_ms, mark.start) for mark in synthesiser.word_marks(text, options)]


def _by_flite(text: str) -> tuple[Floats, list[tuple[float, int]]]:
    """flite tells no times: words are taken to last as long as they have letters."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_question(Path(folder) / "said.wav", text, lead_ms=0, silence_ms=0)
        with wave.open(str(path)) as file:
            sound = _floats(file.readframes(file.getnframes()))
    starts: list[tuple[float, int]] = []
    at = 0
    for word in text.split():
        at = text.index(word, at)
        starts.append((milliseconds(len(sound)) * at / len(text), at))
        at += len(word)
    return sound, starts


def cough(random: np.random.Generator) -> Floats:
    """Two bursts of coarse noise with some voice in them, 0.25 s each."""
    burst = np.concatenate([_burst(random, 250, 0.06, voiced=0.4), np.zeros(samples(80))])
    return levelled(np.concatenate([burst, _burst(random, 220, 0.05, voiced=0.3)]), SPEECH_DBFS)


def throat(random: np.random.Generator) -> Floats:
    """A throat cleared: 0.45 s, mostly voice."""
    return levelled(_burst(random, 450, 0.25, voiced=0.85), SPEECH_DBFS - 2)


def knock(random: np.random.Generator) -> Floats:
    """Three knocks on wood."""
    once = np.concatenate([_burst(random, 60, 0.012, voiced=0.0), np.zeros(samples(140))])
    return levelled(np.tile(once, 3), SPEECH_DBFS)


def rustle(random: np.random.Generator) -> Floats:
    """Paper and keys: 0.9 s of uneven hiss."""
    hiss = random.standard_normal(samples(900))
    return levelled(hiss * np.repeat(random.random(18), samples(50)), SPEECH_DBFS - 4)


NOISES = {"cough": cough, "throat": throat, "knock": knock, "rustle": rustle}


def room(random: np.random.Generator, duration_ms: float) -> Floats:
    return levelled(random.standard_normal(samples(duration_ms)), ROOM_DBFS)


def levelled(sound: Floats, level_dbfs: float) -> Floats:
    power = float(np.sqrt(np.mean(np.square(sound)))) or 1.0
    return np.clip(sound * (10 ** (level_dbfs / 20) / power), -0.99, 0.99)


def to_pcm(sound: Floats) -> bytes:
    return (np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes()


def milliseconds(count: int) -> float:
    return count / RATE_HZ * 1_000


def samples(duration_ms: float) -> int:
    return round(duration_ms * RATE_HZ / 1_000)


def _burst(random: np.random.Generator, duration_ms: int, decay_seconds: float, *, voiced: float) -> Floats:
    seconds = np.arange(samples(duration_ms)) / RATE_HZ
    noise = np.convolve(random.standard_normal(len(seconds)), np.ones(6) / 6, "same")
    tone = sum(np.sin(2 * np.pi * 130 * n * seconds) / n for n in range(1, 20))
    rise = np.minimum(1, seconds / 0.01)
    return np.asarray(rise * np.exp(-seconds / decay_seconds) * ((1 - voiced) * noise + voiced * tone), np.float64)


def _trimmed(sound: Floats) -> tuple[Floats, float]:
    loud = np.flatnonzero(np.abs(sound) > _EDGE_SHARE * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1], milliseconds(int(loud[0]))


def _floats(pcm: bytes) -> Floats:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32_768
