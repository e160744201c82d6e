"""Turn taking on clips, side by side: ours, Pipecat's Smart Turn and LiveKit's turn detector.

`TURN_QUALITY_PEERS=install` makes the environment that the peers need; without it they are not run.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.report import Table, percentile
from tests.benchmarks.turn_quality import ours, peers
from tests.benchmarks.turn_quality.clips import FALSE_ALARMS, Clip, Kind
from tests.benchmarks.turn_quality.recipes import RECIPES, make_clips
from tests.benchmarks.turn_quality.scoring import Outcome, Score, score

COLUMNS = (
    "system (ms)", "", "cut-ins", "heard", "delay p50", "p95", "n", "begun p50", "missed", "silent p50",
    *FALSE_ALARMS, "back p50",
)  # fmt: skip
NOTES = (
    "cut-ins: turns ended before the user's, of all pauses for thought; heard: those whose reply sounds in the pause",
    "delay: end of the voice to end of the turn; begun: to the begin of the reply; missed, silent: true interruptions",
    "noise, backchannel, faint other voice, words to somebody else: agent stopped/clips +held; back: held so long",
    "finals 800 ms after the voice; what the models' own computing takes is not counted",
)


@dataclass(frozen=True, slots=True)
class System:
    """`outcomes` by clip, or why there are none."""

    name: str
    outcomes: Mapping[str, Outcome] | str
    has_agent: bool = True


def measure() -> Table:
    clips = make_clips()
    table = Table("\n".join([f"turn taking on {len(clips)} clips made of flite, espeak and noise", *NOTES]), COLUMNS)
    for system in _systems(clips):
        if isinstance(system.outcomes, str):
            table.add(system.name, "", "NOT RUN", *[""] * (len(COLUMNS) - 3))
            table.title += f"\n{system.name} NOT RUN: {system.outcomes}"
            continue
        outcomes = system.outcomes
        for language in RECIPES:
            judged = ((clip, outcomes[clip.name]) for clip in clips if clip.language == language)
            table.add(system.name, language, *_cells(score(judged), has_agent=system.has_agent))
    return table


def _systems(clips: Sequence[Clip]) -> Iterator[System]:
    model = ours.load_silero()
    silero = _ours(clips, lambda clip: ours.voice_events(clip, model)) if model else "no Silero model"
    yield System("Nova, Silero", silero)
    yield System("Nova, energy", _ours(clips, lambda clip: ours.voice_events(clip, None)))
    for peer in peers.PEERS:
        yield from _peer(peer, clips)


def _ours(clips: Sequence[Clip], voice: Callable[[Clip], list[ours.Timed]]) -> dict[str, Outcome]:
    return {clip.name: ours.run_engine(clip, voice(clip)) for clip in clips}


def _peer(peer: peers.Peer, clips: Sequence[Clip]) -> Iterator[System]:
    try:
        if os.environ.get("TURN_QUALITY_PEERS") == "install":
            peers.install()
        heard = peers.listen(peer, clips)
    except peers.PeerNotRunError as error:
        yield System(peer.name, str(error))
        return
    yield System(peer.name, {clip.name: peers.with_words(clip, heard[clip.name], peer) for clip in clips})
    alone = {clip.name: peers.alone(heard[clip.name]) for clip in clips}
    yield System(f"{peer.name}, without words", alone, has_agent=False)


def _cells(total: Score, *, has_agent: bool) -> Iterator[str]:
    yield f"{total.cut_ins}/{total.pauses}"
    yield str(total.cut_ins_heard)
    yield _figure(total.delays_ms, 50)
    yield _figure(total.delays_ms, 95)
    yield f"{len(total.delays_ms)}/{total.answers}"
    yield _figure(total.begun_ms, 50)
    if not has_agent:
        yield from ["-"] * (3 + len(FALSE_ALARMS))
        return
    yield f"{total.missed}/{total.interruptions}"
    yield _figure(total.silences_ms, 50)
    yield from (_alarm(total, kind) for kind in FALSE_ALARMS)
    yield _figure(total.recoveries_ms, 50)


def _alarm(total: Score, kind: Kind) -> str:
    held = f" +{total.held[kind]}" if total.held[kind] else ""
    return f"{total.stops[kind]}/{total.alarms[kind]}{held}"


def _figure(values: Sequence[float], percent: float) -> str:
    return f"{percentile(values, percent):.0f}" if values else "-"
