"""Sound files of `manage.py talk`: reads a recording as 16-bit mono PCM, writes a reply; knows no socket."""

import io
import os
import struct
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workers.errors import BadInputError

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 48_000
SAMPLE_BYTES = 2
VOICED_RMS = 300
WINDOW_MS = 20
EXTENSIBLE = 0xFFFE
EXTENSIBLE_BYTES = 40


@dataclass(frozen=True, slots=True)
class Recording:
    """16-bit little-endian mono PCM at the file's own rate."""

    pcm: bytes = field(repr=False)
    rate_hz: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_BYTES / self.rate_hz


def read_recording(path: Path) -> Recording:
    """Stereo is mixed down. Raises BadInputError that says what the file is and what it should be."""
    try:
        with wave.open(io.BytesIO(_plain(path.read_bytes()))) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except OSError as error:
        raise BadInputError(f"cannot read {path}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise BadInputError(f"{path} is no WAV file of plain PCM ({error or 'it ends too early'})") from error
    if width != SAMPLE_BYTES:
        raise BadInputError(f"{path} holds {width * 8}-bit sound; 16-bit PCM is needed")
    if channels not in (1, 2) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise BadInputError(
            f"{path} has {channels} channels, {rate_hz} Hz; "
            f"one or two channels and {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are needed"
        )
    samples = np.frombuffer(frames[: len(frames) // (width * channels) * width * channels], dtype="<i2")
    if not samples.size:
        raise BadInputError(f"{path} holds no sound")
    mono = samples.reshape(-1, channels).astype(np.int32).sum(axis=1) // channels
    return Recording(mono.astype("<i2").tobytes(), rate_hz)


def _plain(data: bytes) -> bytes:
    """WAVE_FORMAT_EXTENSIBLE, which Python 3.11 cannot read, as the format it stands for."""
    at = data.find(b"fmt ", 12)
    if data[:4] != b"RIFF" or at < 0 or len(data) < at + 8 + EXTENSIBLE_BYTES:
        return data
    size_bytes, tag = struct.unpack_from("<IH", data, at + 4)
    if tag != EXTENSIBLE or size_bytes < EXTENSIBLE_BYTES:
        return data
    return data[: at + 8] + data[at + 32 : at + 34] + data[at + 10 :]


def check_writable(path: Path) -> None:
    """Raises BadInputError. Nothing is written: a talk that fails must leave no empty file."""
    if path.is_dir():
        raise BadInputError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise BadInputError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadInputError(f"cannot write {path}: permission denied")


def write_recording(path: Path, recording: Recording) -> None:
    """Raises BadInputError when the file cannot be written."""
    try:
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(SAMPLE_BYTES)
            file.setframerate(recording.rate_hz)
            file.writeframes(recording.pcm)
    except OSError as error:
        raise BadInputError(f"cannot write {path}: {error.strerror}") from error


def last_voice_seconds(recording: Recording) -> float:
    """Where the last window of audible sound ends, from the start of the recording."""
    window = recording.rate_hz * WINDOW_MS // 1_000
    samples = np.frombuffer(recording.pcm, dtype="<i2").astype(np.float64)
    whole = samples[: len(samples) // window * window].reshape(-1, window)
    loud = np.flatnonzero(np.sqrt((whole**2).mean(axis=1)) > VOICED_RMS) if whole.size else np.array([])
    return float(loud[-1] + 1) * WINDOW_MS / 1_000 if loud.size else recording.seconds
