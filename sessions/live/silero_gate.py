"""Tells whether sound may hold voice at all, so that the voice model need not run in silence; never says that it does."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sessions.live.silero_model import Floats
from sessions.live.voice_activity import NoiseFloor

_LEAST_POWER: Final = 1e-10
_FULL_SCALE: Final = np.float32(1 / 32_768)
_WINDOW_MS: Final = 32


@dataclass(frozen=True, slots=True)
class GateParameters:
    """Open while a window is louder than `quietest_dbfs` and `above_floor_db` over the noise of the last seconds, and for
    `hold_ms` after. A low margin: a closed gate over speech is deafness, an open one over noise costs only time."""

    quietest_dbfs: float = -62.0
    above_floor_db: float = 2.5
    hold_ms: int = 500
    floor_memory_ms: int = 3_000
    first_floor_dbfs: float = -70.0


class EnergyGate:
    """One stream's gate, which looks twice: at the sound, and at its slope, in which hum and rumble are small."""

    def __init__(self, rate_hz: int, parameters: GateParameters | None = None) -> None:
        self._parameters = parameters or GateParameters()
        memory_windows = self._parameters.floor_memory_ms // _WINDOW_MS
        self._floors = [NoiseFloor(self._parameters.first_floor_dbfs, memory_windows) for _ in range(2)]
        self._window_samples = rate_hz * _WINDOW_MS // 1_000
        self._held = b""
        self._held_open_ms = 0

    def is_open(self, pcm: bytes, *, is_voice: bool) -> bool:
        """For all of `pcm` together; `is_voice` holds it open, and the floors do not learn from it."""
        if is_voice:
            self._held, self._held_open_ms = b"", self._parameters.hold_ms
            return True
        pcm = self._held + pcm
        count = len(pcm) // (self._window_samples * 2)
        self._held = pcm[count * self._window_samples * 2 :]
        if not count:
            return self._held_open_ms > 0
        samples = np.frombuffer(pcm, "<i2", count * self._window_samples) * _FULL_SCALE
        self._held_open_ms -= count * _WINDOW_MS
        if self._is_loud(samples.reshape(count, -1)):
            self._held_open_ms = self._parameters.hold_ms
        return self._held_open_ms > 0

    def _is_loud(self, windows: Floats) -> bool:
        """Every window is looked at, so that the floors learn from all of them."""
        wanted, (sound_floor, slope_floor) = self._parameters, self._floors
        is_loud = False
        for sound_db, slope_db in zip(_levels_db(windows), _levels_db(windows[:, 1:] - windows[:, :-1]), strict=True):
            above_db = max(sound_db - sound_floor.update(sound_db), slope_db - slope_floor.update(slope_db))
            is_loud |= sound_db >= wanted.quietest_dbfs and above_db >= wanted.above_floor_db
        return is_loud


def _levels_db(windows: Floats) -> list[float]:
    energies: list[float] = np.einsum("ij,ij->i", windows, windows).tolist()
    size = windows.shape[1]
    return [10 * math.log10(energy / size + _LEAST_POWER) for energy in energies]
