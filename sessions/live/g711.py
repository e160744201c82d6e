"""Telephone sound (G.711 mu-law and A-law) to 16-bit PCM and back, by table; knows no transport."""

from typing import Final

import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Samples = npt.NDArray[np.int16]
_MU_BIAS: Final = 33
_MU_CLIP: Final = 8158


def _mu_law_of(samples: npt.NDArray[np.int32]) -> _Bytes:
    """ITU-T G.711 in its 14-bit form: sign, 3 bits of segment, 4 bits of step, all inverted."""
    reduced = samples >> 2
    is_negative = reduced < 0
    magnitude = np.minimum(np.abs(reduced), _MU_CLIP) + _MU_BIAS
    segment = np.searchsorted(np.array([0x3F << n for n in range(8)]) + (2 ** np.arange(8) - 1), magnitude)
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    return np.asarray(code ^ np.where(is_negative, 0x7F, 0xFF), np.uint8)


def _a_law_of(samples: npt.NDArray[np.int32]) -> _Bytes:
    """ITU-T G.711 in its 13-bit form, even bits inverted."""
    reduced = samples >> 3
    is_negative = reduced < 0
    magnitude = np.where(is_negative, -reduced - 1, reduced)
    segment = np.searchsorted(np.array([(0x20 << n) - 1 for n in range(8)]), magnitude)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    return np.asarray(code ^ np.where(is_negative, 0x55, 0xD5), np.uint8)


def _mu_law_samples() -> _Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_samples() -> _Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_EVERY_SAMPLE = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
_TO_MU_LAW = _mu_law_of(_EVERY_SAMPLE)
_TO_A_LAW = _a_law_of(_EVERY_SAMPLE)
_FROM_MU_LAW = _mu_law_samples()
_FROM_A_LAW = _a_law_samples()


def encode_mu_law(pcm: bytes) -> bytes:
    """`pcm` is whole 16-bit little-endian samples."""
    return bytes(_TO_MU_LAW[np.frombuffer(pcm, "<u2")])


def decode_mu_law(codes: bytes) -> bytes:
    return _FROM_MU_LAW[np.frombuffer(codes, np.uint8)].astype("<i2").tobytes()


def encode_a_law(pcm: bytes) -> bytes:
    """`pcm` is whole 16-bit little-endian samples."""
    return bytes(_TO_A_LAW[np.frombuffer(pcm, "<u2")])


def decode_a_law(codes: bytes) -> bytes:
    return _FROM_A_LAW[np.frombuffer(codes, np.uint8)].astype("<i2").tobytes()
