"""Owns the sounds of the browser tests: the tone the fake microphone hears and the speech the stub sends."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPEECH_RATE_HZ = 24_000
MICROPHONE_RATE_HZ = 48_000
HALF_SCALE = 16_384


def tone(seconds: float, frequency_hz: float, rate_hz: int) -> NDArray[np.int16]:
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    wave_form: NDArray[np.int16] = np.rint(HALF_SCALE * np.sin(2 * np.pi * frequency_hz * times)).astype("<i2")
    return wave_form


def speech(seconds: float, frequency_hz: float = 440.0) -> bytes:
    return tone(seconds, frequency_hz, SPEECH_RATE_HZ).tobytes()


def write_microphone_file(path: Path, seconds: float = 30.0, frequency_hz: float = 1000.0) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MICROPHONE_RATE_HZ)
        file.writeframes(tone(seconds, frequency_hz, MICROPHONE_RATE_HZ).tobytes())
    return path


def strongest_hz(pcm: bytes, rate_hz: int) -> float:
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))
