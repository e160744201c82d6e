"""Sound files of `manage.py talk`."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from sessions.management.talking_sound import Recording, last_voice_seconds, read_recording, write_recording
from workers.errors import BadInputError


def write_wav(path: Path, frames: bytes, *, channels: int = 1, width: int = 2, rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(frames)
    return path


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_a_mono_file_keeps_its_samples_and_its_rate(tmp_path: Path, rate_hz: int) -> None:
    pcm = np.arange(-500, 500, dtype="<i2").tobytes()
    assert read_recording(write_wav(tmp_path / "a.wav", pcm, rate_hz=rate_hz)) == Recording(pcm, rate_hz)


def test_stereo_is_mixed_down_without_overflow(tmp_path: Path) -> None:
    left_and_right = np.array([[32_767, 32_767], [-32_768, -32_768], [1_000, 3_000]], dtype="<i2")
    recording = read_recording(write_wav(tmp_path / "a.wav", left_and_right.tobytes(), channels=2))
    assert np.frombuffer(recording.pcm, dtype="<i2").tolist() == [32_767, -32_768, 2_000]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"width": 1}, "8-bit sound; 16-bit PCM is needed"),
        ({"width": 3}, "24-bit sound; 16-bit PCM is needed"),
        ({"channels": 3}, "3 channels"),
        ({"rate_hz": 7_999}, "7999 Hz"),
        ({"rate_hz": 96_000}, "96000 Hz"),
    ],
)
def test_a_wrong_format_is_refused_by_what_it_is(tmp_path: Path, fields: dict[str, int], named: str) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(600), **fields)
    with pytest.raises(BadInputError, match=named):
        read_recording(path)


def write_extensible(path: Path, frames: bytes, *, bits: int) -> Path:
    """As recorders write it: format 65534, the true one (1, PCM) in the longer header."""
    block_bytes = bits // 8
    header = struct.pack("<HHIIHH", 0xFFFE, 1, 16_000, 16_000 * block_bytes, block_bytes, bits)
    longer = struct.pack("<HHIH", 22, bits, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    chunks = b"WAVEfmt " + struct.pack("<I", 40) + header + longer + b"data" + struct.pack("<I", len(frames)) + frames
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path


def test_an_extensible_file_of_24_bits_is_refused_by_its_bits(tmp_path: Path) -> None:
    path = write_extensible(tmp_path / "a.wav", bytes(600), bits=24)
    with pytest.raises(BadInputError, match=r"a\.wav holds 24-bit sound; 16-bit PCM is needed"):
        read_recording(path)


def test_an_extensible_file_of_16_bits_is_read(tmp_path: Path) -> None:
    path = write_extensible(tmp_path / "a.wav", b"\1\0\2\0", bits=16)
    assert read_recording(path) == Recording(b"\1\0\2\0", 16_000)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3 this is no wave file at all", b"RIFF\x24\0\0\0WAVEfmt "])
def test_bytes_that_are_no_wav_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"a\.wav is no WAV file"):
        read_recording(path)


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no sound"):
        read_recording(write_wav(tmp_path / "a.wav", b""))


def test_a_missing_file_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        read_recording(tmp_path / "none.wav")


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    recording = Recording(b"\1\0\2\0", 24_000)
    write_recording(tmp_path / "reply.wav", recording)
    assert read_recording(tmp_path / "reply.wav") == recording


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot write"):
        write_recording(tmp_path / "none" / "reply.wav", Recording(b"", 24_000))


def test_the_last_voice_is_found_before_the_silence_that_follows() -> None:
    times = np.arange(16_000) / 16_000
    tone = (8_000 * np.sin(2 * np.pi * 300 * times)).astype("<i2").tobytes()
    assert last_voice_seconds(Recording(bytes(16_000) + tone + bytes(32_000), 16_000)) == pytest.approx(1.5, abs=0.02)


def test_the_last_voice_of_silence_is_its_end() -> None:
    assert last_voice_seconds(Recording(bytes(32_000), 16_000)) == 1.0
