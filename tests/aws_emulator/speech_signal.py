"""Owns the sound Polly's stand-in speaks: tones and a speech-like signal, made once and then only cut."""

from functools import lru_cache

import numpy as np

_LOOP_SECONDS = 10
_PITCH_HZ = 140
_SYLLABLES_PER_SECOND = 4
_HARMONIC_LEVELS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.2, 0.12, 0.08)


def speech_bytes(duration_ms: float, rate_hz: int, tone_hz: int | None, amplitude: float) -> bytes:
    """PCM16 mono; a tone is continuous and of constant level, speech rises and falls with each syllable."""
    wanted = round(duration_ms * rate_hz / 1000) * 2
    loop: bytes = _loop(rate_hz, tone_hz, amplitude)
    return bytes((loop * (wanted // len(loop) + 1))[:wanted])


@lru_cache(maxsize=32)
def _loop(rate_hz: int, tone_hz: int | None, amplitude: float) -> bytes:
    """Holds whole periods of everything in it, so that it can be repeated without a seam."""
    seconds = np.arange(_LOOP_SECONDS * rate_hz) / rate_hz
    wave = _speech_like(seconds) if tone_hz is None else np.sin(2 * np.pi * tone_hz * seconds)
    wave = np.round(wave / np.abs(wave).max() * amplitude * 32767).astype("<i2")
    return bytes(wave.tobytes())


def _speech_like(seconds: np.ndarray) -> np.ndarray:
    voice = sum(
        level * np.sin(2 * np.pi * _PITCH_HZ * number * seconds)
        for number, level in enumerate(_HARMONIC_LEVELS, start=1)
    )
    envelope: np.ndarray = 0.55 - 0.45 * np.cos(2 * np.pi * _SYLLABLES_PER_SECOND * seconds)
    return np.asarray(voice * envelope)
