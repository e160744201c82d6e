"""What hearing voice in 16-bit mono PCM means, and the ear that does it by level and shape; no clock, no I/O."""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]

WINDOW_MS: Final = 20
_SILENCE_DBFS: Final = -100.0
_LEAST_POWER: Final = np.float32(1e-14)
_NOISE_LEARNT: Final = np.float32(0.05)
_NOISE_TAKEN_AWAY: Final = np.float32(1.5)
_LEAST_TIMES_NOISE: Final = 3.0
_LEAST_LEFT: Final = np.float32(0.05)


@dataclass(frozen=True, slots=True)
class VoiceActivityParameters:
    """Levels are of the 300-3800 Hz band.

    A voice starts after `start_windows` windows of 20 ms that are `start_db` above the noise floor, louder
    than `quietest_dbfs` and shaped like voice: not flat as noise is (`flattest`, 0 to 1, of the spectrum as it is,
    `flattest_untilted` once its slope is taken away: fans, cars and wind are as flat as white noise, only
    tilted), and not nearly all below the band as hum is (`least_band_share`). Windows within `steady_db` of the
    one before do not count: the tone of a machine never changes. The shape is that of what stands out of the
    noise heard so far. A voice goes on while the level is `stop_db` above the floor and within `range_db` of its
    own peak, and stops after `hangover_ms` without.
    """

    start_db: float = 9.0
    stop_db: float = 5.0
    range_db: float = 32.0
    quietest_dbfs: float = -52.0
    start_windows: int = 2
    hangover_ms: int = 180
    flattest: float = 0.25
    flattest_untilted: float = 0.4
    least_band_share: float = 0.08
    steady_db: float = 0.4
    floor_memory_ms: int = 2_000
    first_floor_dbfs: float = -62.0

    def with_threshold(self, threshold: float) -> "VoiceActivityParameters":
        """`threshold` as in the Realtime protocol's voice detection: 0.5 is the default."""
        shift_db = (min(max(threshold, 0.0), 1.0) - 0.5) * 16
        return replace(self, start_db=max(4.0, self.start_db + shift_db), quietest_dbfs=self.quietest_dbfs + shift_db)


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """`at_ms` is where the voice began, in milliseconds of audio since the first sample."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """`at_ms` is where the voice ended; the event comes `hangover_ms` of audio later."""

    at_ms: int


VoiceEvent = VoiceStarted | VoiceStopped


class VoiceActivity(Protocol):
    """One stream's ear. `hear` takes any number of bytes, in order: the next call only after the last has returned."""

    @property
    def is_voice(self) -> bool: ...

    @property
    def position_ms(self) -> int:
        """Milliseconds of audio judged so far."""
        ...

    async def hear(self, pcm: bytes) -> list[VoiceEvent]: ...


class EnergyVoiceActivity:
    """The ear that needs no model. Feed any number of bytes; what does not fill a window waits for the next call."""

    def __init__(self, rate_hz: int, parameters: VoiceActivityParameters | None = None) -> None:
        self._parameters = parameters or VoiceActivityParameters()
        self._shape = _WindowShape(rate_hz)
        self._held = b""
        self._windows = 0
        self._candidate_windows = 0
        self._quiet_windows = 0
        self._peak_db = _SILENCE_DBFS
        self._last_db = _SILENCE_DBFS
        self._is_voice = False
        wanted = self._parameters
        self._floor = NoiseFloor(wanted.first_floor_dbfs, wanted.floor_memory_ms // WINDOW_MS)

    @property
    def is_voice(self) -> bool:
        return self._is_voice

    @property
    def position_ms(self) -> int:
        """Milliseconds of audio judged so far."""
        return self._windows * WINDOW_MS

    async def hear(self, pcm: bytes) -> list[VoiceEvent]:
        return self.feed(pcm)

    def feed(self, pcm: bytes) -> list[VoiceEvent]:
        pcm = self._held + pcm if self._held else pcm
        count = len(pcm) // self._shape.window_bytes
        used_bytes = count * self._shape.window_bytes
        self._held = pcm[used_bytes:]
        if not count:
            return []
        samples = np.frombuffer(pcm, "<i2", count * self._shape.window_samples).reshape(count, -1)
        powers, energies = self._shape.powers(samples)
        events = (self._judge(10 * math.log10(energies[n]), powers[n]) for n in range(count))
        return [event for event in events if event is not None]

    def _judge(self, level_db: float, power: _Floats) -> VoiceEvent | None:
        self._windows += 1
        above_db = level_db - self._floor.update(level_db)
        if self._is_voice:
            return self._judge_end(level_db, above_db)
        return self._judge_start(level_db, above_db, power)

    def _judge_start(self, level_db: float, above_db: float, power: _Floats) -> VoiceStarted | None:
        wanted = self._parameters
        is_above = above_db >= wanted.start_db
        if not is_above and self._windows > wanted.floor_memory_ms // WINDOW_MS:
            self._shape.learn_noise(power)
        is_loud = is_above and level_db >= wanted.quietest_dbfs
        is_steady = abs(level_db - self._last_db) < wanted.steady_db
        self._last_db = level_db
        if not is_loud or not self._shape.is_voice_like(power, wanted):
            self._candidate_windows = 0
            return None
        self._candidate_windows += not is_steady
        if self._candidate_windows < wanted.start_windows:
            return None
        self._is_voice, self._quiet_windows, self._peak_db = True, 0, level_db
        at_ms = self.position_ms - self._candidate_windows * WINDOW_MS
        self._candidate_windows = 0
        return VoiceStarted(at_ms)

    def _judge_end(self, level_db: float, above_db: float) -> VoiceStopped | None:
        wanted = self._parameters
        self._last_db = level_db
        self._peak_db = max(self._peak_db - 0.1, level_db)
        quietest_db = max(wanted.quietest_dbfs - 6, self._peak_db - wanted.range_db)
        goes_on = above_db >= wanted.stop_db and level_db >= quietest_db
        self._quiet_windows = 0 if goes_on else self._quiet_windows + 1
        if self._quiet_windows * WINDOW_MS < wanted.hangover_ms:
            return None
        self._is_voice = False
        return VoiceStopped(self.position_ms - self._quiet_windows * WINDOW_MS)


class NoiseFloor:
    """The least smoothed level of the last `memory_windows`, in ten blocks; sinks at once, rises late."""

    def __init__(self, first_floor_dbfs: float, memory_windows: int) -> None:
        block_count = 10
        self._block_windows = max(1, memory_windows // block_count)
        self._minima = deque([first_floor_dbfs] * block_count, maxlen=block_count)
        self._smoothed_db: float | None = None
        self._block_minimum = 0.0
        self._in_block = 0
        self._floor_db = first_floor_dbfs

    def update(self, level_db: float) -> float:
        """The floor after this window."""
        before = self._smoothed_db
        self._smoothed_db = level_db if before is None else before + 0.4 * (level_db - before)
        self._block_minimum = min(self._block_minimum, self._smoothed_db)
        self._in_block += 1
        if self._in_block == self._block_windows:
            self._minima.append(self._block_minimum)
            self._block_minimum, self._in_block = 0.0, 0
            self._floor_db = min(self._minima)
        return min(self._floor_db, self._block_minimum)


class _WindowShape:
    """The spectrum of windows: the band's level for all of them, the shape where it is asked for."""

    def __init__(self, rate_hz: int) -> None:
        self.window_samples = rate_hz * WINDOW_MS // 1_000
        self.window_bytes = self.window_samples * 2
        taper = np.hanning(self.window_samples + 1)[:-1]
        self._taper = (taper / 32_768 * (2 / taper.sum())).astype(np.float32)
        bins_hz = np.fft.rfftfreq(self.window_samples, 1 / rate_hz)
        last = int(np.searchsorted(bins_hz, min(3_800, rate_hz / 2 - 200)))
        self._band = slice(int(np.searchsorted(bins_hz, 300)), last)
        self._below = slice(int(np.searchsorted(bins_hz, 40)), self._band.start)
        self._noise = np.zeros(self._band.stop - self._band.start, np.float32)
        octaves = np.log2(bins_hz[self._band])
        self._octaves = (octaves - octaves.mean()).astype(np.float32)
        self._slope_of = self._octaves / np.float32(np.square(self._octaves).sum())

    def powers(self, samples: npt.NDArray[np.int16]) -> tuple[_Floats, list[float]]:
        """Power by window and frequency, and each window's energy in the band (1 is full scale, never 0)."""
        spectrum = np.fft.rfft(samples * self._taper)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        power += _LEAST_POWER
        return power, np.add.reduce(power[:, self._band], axis=1).tolist()

    def learn_noise(self, power: _Floats) -> None:
        self._noise += _NOISE_LEARNT * (power[self._band] - self._noise)

    def is_voice_like(self, power: _Floats, wanted: VoiceActivityParameters) -> bool:
        heard = power[self._band]
        if float(np.add.reduce(heard)) < _LEAST_TIMES_NOISE * float(np.add.reduce(self._noise)):
            return False
        band = np.maximum(heard - _NOISE_TAKEN_AWAY * self._noise, _LEAST_LEFT * heard)
        energy = float(np.add.reduce(band))
        share = energy / (energy + float(np.add.reduce(power[self._below])))
        if share < wanted.least_band_share:
            return False
        logs = np.log(band)
        geometric_mean = math.exp(float(np.add.reduce(logs)) / len(band))
        if geometric_mean * len(band) / energy > wanted.flattest:
            return False
        untilted = np.exp(logs - float(logs @ self._slope_of) * self._octaves)
        return geometric_mean * len(band) / float(np.add.reduce(untilted)) <= wanted.flattest_untilted
