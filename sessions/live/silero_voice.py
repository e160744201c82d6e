"""One stream's ear by the Silero model, behind an energy gate: windows, state and decision; the model runs elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
import structlog

from sessions.live.resampling import StreamResampler
from sessions.live.silero_batch import Judged
from sessions.live.silero_gate import EnergyGate, GateParameters
from sessions.live.silero_model import (
    CONTEXT_SAMPLES,
    INPUT_SAMPLES,
    RATE_HZ,
    WINDOW_SAMPLES,
    Floats,
    VoiceModelFailedError,
    new_state,
)
from sessions.live.voice_activity import EnergyVoiceActivity, VoiceEvent, VoiceStarted, VoiceStopped

logger = structlog.get_logger(__name__)

WINDOW_MS: Final = 32
_WINDOW_BYTES: Final = WINDOW_SAMPLES * 2
_LEAD_IN_MS: Final = 128
"""What the model hears from before the gate opened, so that it does not begin in the middle of a sound."""
_FULL_SCALE: Final = np.float32(1 / 32_768)


@dataclass(frozen=True, slots=True)
class SileroParameters:
    """A voice starts after `min_speech_ms` of windows at `threshold`, and stops after `hangover_ms` of windows
    that are `hysteresis` below it; both are rounded up to windows of 32 ms."""

    threshold: float = 0.5
    hysteresis: float = 0.15
    min_speech_ms: int = 50
    hangover_ms: int = 180
    gate: GateParameters = field(default_factory=GateParameters)

    def with_threshold(self, threshold: float) -> "SileroParameters":
        """`threshold` as in the Realtime protocol; 0 and 1 would mean always and never, so the ends are kept off."""
        return replace(self, threshold=min(max(threshold, 0.05), 0.95))

    @property
    def off_threshold(self) -> float:
        return max(self.threshold - self.hysteresis, self.threshold / 2)


class VoiceJudge(Protocol):
    async def judge(self, windows: Sequence[Floats], state: Floats) -> Judged: ...


class SileroVoiceActivity:
    """Sound at any rate, whole samples. Should the model fail, this stream goes on by energy."""

    def __init__(self, rate_hz: int, judge: VoiceJudge, parameters: SileroParameters | None = None) -> None:
        self._rate_hz = rate_hz
        self._judge = judge
        self._parameters = parameters or SileroParameters()
        self._gate = EnergyGate(rate_hz, self._parameters.gate)
        self._decision = _Decision(self._parameters)
        self._received_bytes = 0
        self._recent = b""
        self._lead_in_bytes = rate_hz * _LEAD_IN_MS // 1_000 * 2
        self._awake: _Awake | None = None
        self._fallback: EnergyVoiceActivity | None = None
        self._fallback_from_ms = 0

    @property
    def is_voice(self) -> bool:
        return self._fallback.is_voice if self._fallback is not None else self._decision.is_voice

    @property
    def position_ms(self) -> int:
        if self._fallback is not None:
            return self._fallback_from_ms + self._fallback.position_ms
        return self._decision.position_ms

    async def hear(self, pcm: bytes) -> list[VoiceEvent]:
        if self._fallback is not None:
            return self._hear_by_energy(self._fallback, pcm)
        if not self._gate.is_open(pcm, is_voice=self._decision.is_voice):
            self._sleep(pcm)
            return []
        try:
            return await self._ask(pcm)
        except VoiceModelFailedError:
            return self._fall_back(pcm)

    def _sleep(self, pcm: bytes) -> None:
        self._awake = None
        self._received_bytes += len(pcm)
        self._recent = (self._recent + pcm)[-self._lead_in_bytes :]
        self._decision.skip_to(self._milliseconds(self._received_bytes))

    async def _ask(self, pcm: bytes) -> list[VoiceEvent]:
        self._received_bytes += len(pcm)
        lead_in_windows = 0
        if self._awake is None:
            self._awake = _Awake(self._rate_hz)
            lead_in_windows = self._milliseconds(len(self._recent)) // WINDOW_MS
            pcm, self._recent = self._recent + pcm, b""
        windows = self._awake.windows(pcm)
        if not windows:
            return []
        judged = await self._judge.judge(windows, self._awake.state)
        self._awake.state = judged.state
        self._decision.remember(judged.probabilities[:lead_in_windows])
        return self._decision.take(judged.probabilities[lead_in_windows:])

    def _milliseconds(self, pcm_bytes: int) -> int:
        return pcm_bytes * 500 // self._rate_hz

    def _fall_back(self, pcm: bytes) -> list[VoiceEvent]:
        """The voice that the model heard ends here; energy finds it again if it goes on."""
        logger.warning("voice_activity_fell_back", engine="energy")
        self._fallback = EnergyVoiceActivity(self._rate_hz)
        self._fallback_from_ms = self._decision.position_ms
        ended: list[VoiceEvent] = [VoiceStopped(self._fallback_from_ms)] if self._decision.is_voice else []
        return ended + self._hear_by_energy(self._fallback, pcm)

    def _hear_by_energy(self, fallback: EnergyVoiceActivity, pcm: bytes) -> list[VoiceEvent]:
        return [replace(event, at_ms=event.at_ms + self._fallback_from_ms) for event in fallback.feed(pcm)]


class _Awake:
    """What a stream keeps from one question to the next while its gate is open."""

    def __init__(self, rate_hz: int) -> None:
        self._resampler = StreamResampler(rate_hz, RATE_HZ)
        self._sound = np.zeros(CONTEXT_SAMPLES, np.float32)
        self.state = new_state()

    def windows(self, pcm: bytes) -> list[Floats]:
        """Whole windows, each behind the end of the one before."""
        fresh = np.frombuffer(self._resampler.process(pcm), "<i2") * _FULL_SCALE
        sound = np.concatenate([self._sound, fresh])
        count = (len(sound) - CONTEXT_SAMPLES) // WINDOW_SAMPLES
        self._sound = sound[count * WINDOW_SAMPLES :]
        return [sound[at : at + INPUT_SAMPLES] for at in range(0, count * WINDOW_SAMPLES, WINDOW_SAMPLES)]


class _Decision:
    """From probabilities, a window each, to events."""

    def __init__(self, parameters: SileroParameters) -> None:
        self._parameters = parameters
        self._voiced_windows = 0
        self._quiet_windows = 0
        self.position_ms = 0
        self.is_voice = False

    def skip_to(self, position_ms: int) -> None:
        """Silence that needed no model; there is no voice, or the gate would be open."""
        self.position_ms = position_ms
        self._voiced_windows = 0

    def remember(self, probabilities: Sequence[float]) -> None:
        """Of windows that were taken for silence when they came: a voice found now may have begun in them."""
        for probability in probabilities:
            self._count(probability)

    def take(self, probabilities: Sequence[float]) -> list[VoiceEvent]:
        events = (self._take(probability) for probability in probabilities)
        return [event for event in events if event is not None]

    def _take(self, probability: float) -> VoiceEvent | None:
        self.position_ms += WINDOW_MS
        self._count(probability)
        if not self.is_voice and self._voiced_windows * WINDOW_MS >= self._parameters.min_speech_ms:
            self.is_voice, self._quiet_windows = True, 0
            return VoiceStarted(max(0, self.position_ms - self._voiced_windows * WINDOW_MS))
        if self.is_voice and self._quiet_windows * WINDOW_MS >= self._parameters.hangover_ms:
            self.is_voice = False
            return VoiceStopped(self.position_ms - self._quiet_windows * WINDOW_MS)
        return None

    def _count(self, probability: float) -> None:
        is_over = probability >= self._parameters.threshold
        is_under = probability < self._parameters.off_threshold
        self._voiced_windows = self._voiced_windows + 1 if is_over else 0
        self._quiet_windows = self._quiet_windows + 1 if is_under else 0
