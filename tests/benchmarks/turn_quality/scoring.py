"""What a system did with a clip, judged by the clip's truth; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.benchmarks.turn_quality.clips import FALSE_ALARMS, Clip, Kind

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
    """Over clips of one language. Delays are from the last audible sample; `silences_ms`: from the first of an
    interruption to the agent's silence; `recoveries_ms`: how long the agent was silent for nothing."""

    pauses: int = 0
    cut_ins: int = 0
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
    """A turn ended twice within one pause is one cut-in."""
    total.answers += 1
    total.pauses += len(clip.pauses)
    total.cut_ins += sum(any(pause.holds(end_ms) for end_ms in outcome.ends_ms) for pause in clip.pauses)
    for number, end_ms in enumerate(outcome.ends_ms):
        if end_ms >= clip.voice.end_ms - EDGE_MS:
            begun_ms = outcome.begun_ms[number] if outcome.begun_ms else end_ms
            total.delays_ms.append(end_ms - clip.voice.end_ms)
            total.begun_ms.append(begun_ms - clip.voice.end_ms)
            return


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
