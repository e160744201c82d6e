"""What a system did with a clip, judged by the clip's truth; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.benchmarks.turn_quality.clips import FALSE_ALARMS, Clip, Kind

FIRST_SOUND_MS = 300
"""From the begin of the work on a reply to its first sound, for all systems."""
EDGE_MS = 60
"""A turn may be said to end so much before its last audible sample: no voice activity hears the last of a fading sound."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a system took its decisions, in the clip's time.

    `begun_ms`: for each turn's end, when work on the reply to it had begun. `stop_ms`: the agent's reply was cut off for
    good. `holds`: it was held, and went on at the second time (None: never within the clip).
    """

    ends_ms: tuple[float, ...] = ()
    begun_ms: tuple[float, ...] = ()
    stop_ms: float | None = None
    holds: tuple[tuple[float, float | None], ...] = ()


@dataclass(slots=True)
class Score:
    """Over clips of one language. Delays are from the last audible sample.

    `cut_ins_heard`: those whose reply would have sounded into the pause. `silences_ms`: from the first sample of an
    interruption to the agent's silence. `recoveries_ms`: how long the agent was silent for nothing.
    """

    pauses: int = 0
    cut_ins: int = 0
    cut_ins_heard: int = 0
    answers: int = 0
    delays_ms: list[float] = field(default_factory=list)
    begun_ms: list[float] = field(default_factory=list)
    interruptions: int = 0
    missed: int = 0
    silences_ms: list[float] = field(default_factory=list)
    alarms: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(FALSE_ALARMS, 0))
    stops: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(FALSE_ALARMS, 0))
    held: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(FALSE_ALARMS, 0))
    recoveries_ms: list[float] = field(default_factory=list)


def score(judged: Iterable[tuple[Clip, Outcome]]) -> Score:
    total = Score()
    for clip, outcome in judged:
        if clip.kind == "answer":
            _score_answer(total, clip, outcome)
        elif clip.kind == "interruption":
            _score_interruption(total, clip, outcome)
        else:
            _score_false_alarm(total, clip, outcome)
    return total


def _score_answer(total: Score, clip: Clip, outcome: Outcome) -> None:
    """Every end before the voice's last is a cut-in; the first one after it is the answer's."""
    total.answers += 1
    total.pauses += len(clip.pauses)
    for end_ms, begun_ms in zip(outcome.ends_ms, outcome.begun_ms or outcome.ends_ms, strict=True):
        if end_ms >= clip.voice.end_ms - EDGE_MS:
            total.delays_ms.append(end_ms - clip.voice.end_ms)
            total.begun_ms.append(begun_ms - clip.voice.end_ms)
            return
        total.cut_ins += 1
        total.cut_ins_heard += any(pause.holds(first_sound_ms(end_ms, begun_ms)) for pause in clip.pauses)


def first_sound_ms(end_ms: float, begun_ms: float) -> float:
    """Of the reply to a turn, which is not heard before the turn has ended."""
    return max(end_ms, begun_ms + FIRST_SOUND_MS)


def _score_interruption(total: Score, clip: Clip, outcome: Outcome) -> None:
    total.interruptions += 1
    if outcome.stop_ms is None:
        total.missed += 1
        return
    silent_ms = min([outcome.stop_ms, *(since_ms for since_ms, _ in outcome.holds)])
    total.silences_ms.append(silent_ms - clip.voice.start_ms)


def _score_false_alarm(total: Score, clip: Clip, outcome: Outcome) -> None:
    total.alarms[clip.kind] += 1
    if outcome.stop_ms is not None:
        total.stops[clip.kind] += 1
    elif outcome.holds:
        total.held[clip.kind] += 1
        ends_ms = (clip.duration_ms if end_ms is None else end_ms for _, end_ms in outcome.holds)
        total.recoveries_ms.append(sum(end - since for end, (since, _) in zip(ends_ms, outcome.holds, strict=True)))
