"""Turn taking on clips, side by side: ours, Pipecat's Smart Turn and LiveKit's turn detector; `TURN_QUALITY_PEERS=install`
makes the environment that the peers need."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.benchmarks.report import Table, percentile
from tests.benchmarks.turn_quality import ours, peers
from tests.benchmarks.turn_quality.clips import FALSE_ALARMS, Clip, Kind, Language
from tests.benchmarks.turn_quality.recipes import RECIPES, make_clips
from tests.benchmarks.turn_quality.scoring import Outcome, Score, score

COLUMNS = (
    "system", "", "cut-ins", "delay p50", "p95", "n", "begun p50", "missed", "silent p50",
    *FALSE_ALARMS, "back p50",
)  # fmt: skip
NOTE = (
    "ms. cut-ins: turns ended in a pause for thought. delay: end of voice to end of turn; begun: to the reply's begin. "
    "missed, silent: interruptions; a noise, a backchannel, a faint other voice and words to somebody else should not "
    "stop the agent: stopped/clips, +held and gone on, back: after how long. Finals 800 ms after voice; models' own "
    "computing is not counted"
)


def measure() -> Table:
    clips = make_clips()
    table = Table(f"Turn taking on {len(clips)} clips", COLUMNS)
    for name, outcomes in _systems(clips):
        if isinstance(outcomes, str):
            table.add(name, f"NOT RUN: {outcomes}", *[""] * (len(COLUMNS) - 2))
            continue
        for language in RECIPES:
            _add(table, name, language, score((clip, outcomes[clip.name]) for clip in _of(clips, language)))
    table.title += f" ({NOTE})"
    return table


def _systems(clips: Sequence[Clip]) -> Iterator[tuple[str, Mapping[str, Outcome] | str]]:
    """Each system's outcomes by clip, or why there are none."""
    model = ours.load_silero()
    yield "Nova, Silero", _ours(clips, lambda clip: ours.voice_events(clip, model)) if model else "no Silero model"
    yield "Nova, energy", _ours(clips, lambda clip: ours.voice_events(clip, None))
    for peer in peers.PEERS:
        yield from _peer(peer, clips)


def _ours(clips: Sequence[Clip], voice: Callable[[Clip], list[ours.Timed]]) -> dict[str, Outcome]:
    return {clip.name: ours.run_engine(clip, voice(clip)) for clip in clips}


def _peer(peer: peers.Peer, clips: Sequence[Clip]) -> Iterator[tuple[str, Mapping[str, Outcome] | str]]:
    try:
        if os.environ.get("TURN_QUALITY_PEERS") == "install":
            peers.install()
        heard = peers.listen(peer, clips)
    except peers.PeerNotRunError as error:
        yield peer.name, str(error)
        return
    yield f"{peer.name}, with words", {clip.name: peers.with_words(clip, heard[clip.name], peer) for clip in clips}
    yield f"{peer.name}, sound only", {clip.name: peers.alone(clip, heard[clip.name], peer) for clip in clips}


def _add(table: Table, name: str, language: Language, total: Score) -> None:
    table.add(
        name,
        language,
        f"{total.cut_ins}/{total.pauses}",
        _median(total.delays_ms),
        _whole(percentile(total.delays_ms, 95)) if total.delays_ms else "-",
        f"{len(total.delays_ms)}/{total.answers}",
        _median(total.begun_ms),
        f"{total.missed}/{total.interruptions}",
        _median(total.silences_ms),
        *(_alarm(total, kind) for kind in FALSE_ALARMS),
        _median(total.recoveries_ms),
    )


def _alarm(total: Score, kind: Kind) -> str:
    held = f" +{total.held[kind]}" if total.held[kind] else ""
    return f"{total.stops[kind]}/{total.alarms[kind]}{held}"


def _median(values: Sequence[float]) -> str:
    return _whole(percentile(values, 50)) if values else "-"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _of(clips: Sequence[Clip], language: Language) -> Iterator[Clip]:
    return (clip for clip in clips if clip.language == language)
