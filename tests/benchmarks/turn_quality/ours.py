"""Our own voice activity and turn engine on a clip, on virtual time; the words come as a scripted recogniser's."""

import heapq
import itertools
from dataclasses import dataclass, field

from sessions.live.config import TurnSettings
from sessions.live.silero_batch import SileroBatch
from sessions.live.silero_model import SileroModel, VoiceModelMissingError
from sessions.live.silero_voice import SileroVoiceActivity
from sessions.live.turn_taking import decisions, events
from sessions.live.turn_taking.engine import TurnEngine
from sessions.live.turn_taking.events import AgentChanged, TimePassed, TurnEvent
from sessions.live.voice_activity import EnergyVoiceActivity, VoiceActivity, VoiceStarted
from tests.benchmarks.turn_quality.clips import RATE_HZ, Clip, transcripts
from tests.benchmarks.turn_quality.scoring import Outcome, first_sound_ms
from tests.virtual_time import run_virtually

CHUNK_MS = 20
_SPEAKING = AgentChanged(is_busy=True, is_speaking=True)
Timed = tuple[float, TurnEvent]


def load_silero() -> SileroModel | None:
    try:
        model = SileroModel()
    except VoiceModelMissingError:
        return None
    model.warm_up()
    return model


def voice_events(clip: Clip, model: SileroModel | None) -> list[Timed]:
    """When each change of voice is noticed, chunk by chunk as a session hears; without a model by energy."""
    return run_virtually(_hear(clip, model))


async def _hear(clip: Clip, model: SileroModel | None) -> list[Timed]:
    ear: VoiceActivity = EnergyVoiceActivity(RATE_HZ)
    if model is not None:
        ear = SileroVoiceActivity(RATE_HZ, SileroBatch(model))
    chunk_bytes = RATE_HZ * CHUNK_MS // 1_000 * 2
    heard: list[Timed] = []
    for start in range(0, len(clip.pcm), chunk_bytes):
        now_ms = (start + chunk_bytes) / 2 / RATE_HZ * 1_000
        for event in await ear.hear(clip.pcm[start : start + chunk_bytes]):
            for_ms = max(0, ear.position_ms - event.at_ms)
            is_start = isinstance(event, VoiceStarted)
            heard.append((now_ms, events.VoiceStarted(for_ms) if is_start else events.VoiceStopped(for_ms)))
    return heard


def run_engine(clip: Clip, voice: list[Timed], settings: TurnSettings | None = None) -> Outcome:
    return _Run(clip, voice, settings or TurnSettings()).outcome()


@dataclass
class _Told:
    """What the engine decided, and when."""

    ends_ms: list[float] = field(default_factory=list)
    begun_ms: list[float] = field(default_factory=list)
    stop_ms: float | None = None
    holds: list[tuple[float, float | None]] = field(default_factory=list)
    speculated_ms: float = 0.0


class _Run:
    """One clip: events in the order of their time, the engine's deadlines between them, and an agent that answers."""

    def __init__(self, clip: Clip, voice: list[Timed], settings: TurnSettings) -> None:
        self._clip = clip
        self._engine = TurnEngine(settings)
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, TurnEvent]] = []
        self._told = _Told()
        for at_ms, event in (*voice, *transcripts(clip)):
            self._plan(at_ms, event)
        if clip.is_over_agent:
            self._plan(0.0, _SPEAKING)

    def outcome(self) -> Outcome:
        while (step := self._next()) is not None:
            at_ms, event = step
            decided = self._engine.handle(event, at_ms)
            if not decided and isinstance(event, TimePassed):
                raise RuntimeError(f"{self._clip.name}: a deadline at {at_ms} that changes nothing")
            for decision in decided:
                self._carry_out(decision, at_ms)
        told = self._told
        return Outcome(tuple(told.ends_ms), tuple(told.begun_ms), told.stop_ms, tuple(told.holds))

    def _next(self) -> Timed | None:
        """An event of the clip, or the engine's deadline when that is earlier; None at the clip's end."""
        deadline_ms = self._engine.deadline_ms
        event_ms = self._waiting[0][0] if self._waiting else self._clip.duration_ms
        if deadline_ms is not None and deadline_ms < event_ms:
            return deadline_ms, TimePassed()
        if not self._waiting:
            return None
        at_ms, _, event = heapq.heappop(self._waiting)
        return at_ms, event

    def _plan(self, at_ms: float, event: TurnEvent) -> None:
        heapq.heappush(self._waiting, (at_ms, next(self._numbers), event))

    def _carry_out(self, decision: decisions.Decision, at_ms: float) -> None:
        told = self._told
        match decision:
            case decisions.EndTurn():
                told.ends_ms.append(at_ms)
                begun_ms = told.speculated_ms if decision.speculation_stands else at_ms
                told.begun_ms.append(begun_ms)
                self._plan(at_ms, AgentChanged(is_busy=True))
                self._plan(first_sound_ms(at_ms, begun_ms), _SPEAKING)
            case decisions.Interrupt():
                told.stop_ms = at_ms if told.stop_ms is None else told.stop_ms
                self._silence(at_ms)
            case decisions.HoldReply():
                told.holds.append((at_ms, None))
            case decisions.ResumeReply():
                told.holds[-1] = (told.holds[-1][0], at_ms)
            case decisions.Speculate():
                told.speculated_ms = at_ms

    def _silence(self, at_ms: float) -> None:
        """The reply is gone, and so is what was planned of it."""
        self._waiting = [entry for entry in self._waiting if not isinstance(entry[2], AgentChanged)]
        heapq.heapify(self._waiting)
        self._plan(at_ms, AgentChanged(is_busy=False))
