"""ITU-T G.711, both laws: bytes of 8 kHz telephone audio to 16-bit PCM and back; holds tables, no state."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Law = Literal["audio/pcmu", "audio/pcma"]
RATE_HZ = 8_000
_MU_BIAS = 0x84


def _mu_law_samples() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent = (code >> 4) & 7
    magnitude = ((((code & 0x0F) << 3) + _MU_BIAS) << exponent) - _MU_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_samples() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code >> 4) & 7
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(exponent == 0, step, (step + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest_codes(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """For each of the 65,536 sample values, the code whose sample is nearest."""
    order = np.argsort(samples, kind="stable")
    levels = samples[order].astype(np.int32)
    borders = (levels[1:] + levels[:-1] + 1) // 2
    values = np.arange(-32_768, 32_768, dtype=np.int32)
    codes = order[np.searchsorted(borders, values, side="right")].astype(np.uint8)
    return np.roll(codes, -32_768)


_SAMPLES: dict[Law, NDArray[np.int16]] = {"audio/pcmu": _mu_law_samples(), "audio/pcma": _a_law_samples()}
_CODES: dict[Law, NDArray[np.uint8]] = {law: _nearest_codes(samples) for law, samples in _SAMPLES.items()}


def decode(law: Law, data: bytes) -> bytes:
    return bytes(_SAMPLES[law][np.frombuffer(data, dtype=np.uint8)].astype("<i2"))


def encode(law: Law, pcm: bytes) -> bytes:
    """`pcm` holds whole samples."""
    return bytes(_CODES[law][np.frombuffer(pcm, dtype="<u2")])
