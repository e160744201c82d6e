"""The stream resampler: clean tones, no images, little delay, nothing lost between chunks."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sessions.live.resampling import StreamResampler

RATES = [(16_000, 24_000), (22_050, 24_000), (24_000, 16_000), (48_000, 16_000), (8_000, 16_000), (44_101, 16_000)]


def tone(rate_hz: int, frequency_hz: int = 3_000, seconds: float = 1.0) -> bytes:
    moments = np.arange(int(rate_hz * seconds)) / rate_hz
    return (np.sin(2 * np.pi * frequency_hz * moments) * 16_000).astype("<i2").tobytes()


def convert(pcm: bytes, from_hz: int, to_hz: int, piece_bytes: int = 640) -> bytes:
    resampler = StreamResampler(from_hz, to_hz)
    pieces = [resampler.process(pcm[at : at + piece_bytes]) for at in range(0, len(pcm), piece_bytes)]
    return b"".join(pieces) + resampler.flush()


def spectrum(pcm: bytes, rate_hz: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Frequencies and amplitudes of the middle of a sound."""
    samples = np.frombuffer(pcm, "<i2").astype(float)[rate_hz // 10 : -rate_hz // 10]
    window = np.blackman(len(samples))
    return np.fft.rfftfreq(len(samples), 1 / rate_hz), np.abs(np.fft.rfft(samples * window)) * 2 / window.sum()


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_tone_keeps_its_level_within_half_a_decibel(from_hz: int, to_hz: int) -> None:
    _, levels = spectrum(convert(tone(from_hz), from_hz, to_hz), to_hz)
    assert abs(20 * np.log10(levels.max() / 16_000)) < 0.5


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_images_of_a_tone_are_below_forty_decibels(from_hz: int, to_hz: int) -> None:
    frequencies, levels = spectrum(convert(tone(from_hz), from_hz, to_hz), to_hz)
    elsewhere = levels[np.abs(frequencies - 3_000) > 50]
    assert 20 * np.log10(elsewhere.max() / 16_000) < -40


def test_what_is_above_the_new_band_does_not_fold_back() -> None:
    _, levels = spectrum(convert(tone(48_000, 11_000), 48_000, 16_000), 16_000)
    assert 20 * np.log10(levels.max() / 16_000) < -40


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_the_length_follows_the_rates(from_hz: int, to_hz: int) -> None:
    assert abs(len(convert(tone(from_hz), from_hz, to_hz)) // 2 - to_hz) <= 1


@pytest.mark.parametrize(("from_hz", "to_hz"), [(16_000, 24_000), (24_000, 16_000), (22_050, 24_000), (8_000, 16_000)])
def test_no_more_than_ten_milliseconds_are_held_back(from_hz: int, to_hz: int) -> None:
    resampler = StreamResampler(from_hz, to_hz)
    given = len(resampler.process(tone(from_hz, seconds=0.1))) / 2 / to_hz
    assert 0.1 - given < 0.010


@pytest.mark.parametrize("piece_bytes", [1, 3, 333, 6_400])
def test_the_division_into_pieces_does_not_change_the_sound(piece_bytes: int) -> None:
    pcm = tone(16_000, seconds=0.2)
    assert convert(pcm, 16_000, 24_000, piece_bytes) == convert(pcm, 16_000, 24_000, len(pcm))


def test_equal_rates_pass_the_same_bytes() -> None:
    assert convert(tone(24_000), 24_000, 24_000) == tone(24_000)


def test_a_full_scale_square_does_not_wrap_around() -> None:
    square = np.tile(np.repeat(np.array([32_767, -32_768], "<i2"), 40), 100)
    back = np.frombuffer(convert(square.tobytes(), 16_000, 24_000), "<i2").astype(int)
    tops, bottoms = back.reshape(-1, 120)[5:-5, [30, 90]].T
    assert np.all(tops > 30_000)
    assert np.all(bottoms < -30_000)


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        StreamResampler(0, 16_000)
