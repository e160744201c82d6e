"""The sounds of journeys: what a user says, a cough, and what of a spectrum stands where; sends nothing."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

_PITCH_HZ = 150
_SYLLABLES_PER_SECOND = 4
_HARMONICS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.2, 0.12, 0.08)
_LEVEL = 0.4
_BREATH = 0.002
_MAIN_LOBE_BINS = 6


def speech(duration_ms: int, rate_hz: int = 24_000, seed: int = 1) -> bytes:
    """Syllables of a voice with a little breath in it, by which every stretch of it is unlike any other."""
    seconds = np.arange(rate_hz * duration_ms // 1_000) / rate_hz
    voice = sum(
        level * np.sin(2 * np.pi * _PITCH_HZ * number * seconds) for number, level in enumerate(_HARMONICS, start=1)
    )
    envelope = 0.6 - 0.4 * np.cos(2 * np.pi * _SYLLABLES_PER_SECOND * seconds + 1)
    breath = np.random.default_rng(seed).normal(0, _BREATH, len(seconds))
    return _pcm(voice * envelope / np.abs(voice).max() * _LEVEL + breath)


def silence(duration_ms: int, rate_hz: int = 24_000) -> bytes:
    return bytes(rate_hz * duration_ms // 1_000 * 2)


def rms(pcm: bytes) -> float:
    """Of full scale."""
    samples = _samples(pcm)
    return float(np.sqrt(np.mean(samples * samples))) if len(samples) else 0.0


def duration_ms(pcm: bytes, rate_hz: int = 24_000) -> float:
    return len(pcm) / 2 / rate_hz * 1_000


def tone_level_db(pcm: bytes, rate_hz: int, tone_hz: int, amplitude: float) -> float:
    """How much louder a steady tone is than one of `amplitude` (of full scale), in decibels."""
    samples = _samples(pcm)
    turns = np.exp(-2j * np.pi * tone_hz * np.arange(len(samples)) / rate_hz)
    window = np.hanning(len(samples))
    measured = 2 * abs(np.sum(samples * window * turns)) / window.sum()
    return float(20 * np.log10(measured / amplitude))


def loudest_other_db(pcm: bytes, rate_hz: int, tone_hz: int) -> float:
    """The strongest of everything that is not the tone, in decibels below it."""
    samples = _samples(pcm)
    spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples))))
    at = round(tone_hz * len(samples) / rate_hz)
    tone = spectrum[at - _MAIN_LOBE_BINS : at + _MAIN_LOBE_BINS + 1].max()
    others = np.concatenate([spectrum[: at - _MAIN_LOBE_BINS], spectrum[at + _MAIN_LOBE_BINS + 1 :]])
    return float(20 * np.log10(others.max() / tone))


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32_768


def _pcm(samples: Samples) -> bytes:
    return bytes(np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
