"""Added latency: from a turn's final transcript to the first speech byte at the client, the providers' waits taken off."""

import asyncio

from tests.benchmarks import emulator_time
from tests.benchmarks.emulator_time import EmulatorTime
from tests.benchmarks.redis_times import STEPS, RedisTimes
from tests.benchmarks.report import Table, load_note, spread_table
from tests.benchmarks.turns import Timed, hold_talks, join_with_journal, script
from tests.house import House

ALONE_TURNS = 40
MANY_SESSIONS = 25
MANY_TURNS = 8
STEP_TURNS = 20
LEGS = ("final -> Bedrock request", "sentence sent -> Polly request", "Polly byte -> client byte")


def measure(house: House, sessions: int, turns: int, goal: str) -> Table:
    emulator = emulator_time.measure(house)
    script(house, sessions * (turns + 1) * 2)
    replies, failed = asyncio.run(hold_talks(house, sessions, turns))
    timed = join_with_journal(house, replies)
    title = f"added latency, {sessions} session(s), {turns} turns each, {failed} failed {load_note()}"
    return _table(title, timed, emulator, goal)


def measure_steps(house: House) -> Table:
    """One session alone, watched by Redis's MONITOR: the same turns in smaller steps; the watching costs a little."""
    script(house, STEP_TURNS * 4)
    with RedisTimes(house) as times:
        replies, _ = asyncio.run(hold_talks(house, 1, STEP_TURNS))
    table = spread_table(f"where it goes, one session, seen through Redis {load_note()}")
    spans: dict[str, list[float]] = {name: [] for name in STEPS}
    for timed in join_with_journal(house, replies):
        for name, span_ms in times.spans(timed).items():
            spans[name].append(span_ms)
    for name, values in spans.items():
        table.add_spread(name, values)
    return table


def _table(title: str, timed: list[Timed], emulator: EmulatorTime, goal: str) -> Table:
    """The emulator's own time is a constant, measured idle: at 25 sessions it takes longer, which stays in the figure."""
    table = spread_table(title)
    table.add_spread("added latency", [turn.added_ms - emulator.both_ms for turn in timed], goal)
    table.add_spread("  with the emulator's own time", [turn.added_ms for turn in timed])
    table.add("  the emulator's own: Bedrock, Polly", emulator.bedrock_ms, emulator.polly_ms, "", "", "")
    for number, name in enumerate(LEGS):
        table.add_spread(f"  {name}", [turn.legs[number] for turn in timed])
    table.add_spread("final -> client byte, waits included", [turn.heard_ms - turn.final_ms for turn in timed])
    return table
