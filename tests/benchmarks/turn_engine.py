"""CPU of one event in the turn engine: its decisions, its log line and the next deadline."""

import time
from collections.abc import Iterator

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.engine import TurnEngine
from sessions.live.turn_taking.events import AgentChanged, TimePassed, TurnEvent, VoiceStarted, VoiceStopped, WordsHeard
from tests.benchmarks.report import Table, load_note, percentile

TURNS = 200
WORDS = "could you please tell me what the weather will be like in paris tomorrow".split()


def measure() -> Table:
    engine = TurnEngine(TurnSettings(idle_timeout_ms=10_000))
    times_us: list[float] = []
    for at_ms, event in _talk():
        before_ns = time.perf_counter_ns()
        engine.handle(event, at_ms)
        _ = engine.deadline_ms
        times_us.append((time.perf_counter_ns() - before_ns) / 1_000)
    table = Table(f"turn engine {load_note()}", ("microseconds", "p50", "p95", "n", "goal"))
    table.add("one event", percentile(times_us, 50), percentile(times_us, 95), str(len(times_us)), "p50 <= 50")
    return table


def _talk() -> Iterator[tuple[float, TurnEvent]]:
    """Turns of a partial every 150 ms, a late final, and a cough into each answer."""
    at_ms = 0.0
    for turn in range(TURNS):
        yield at_ms, VoiceStarted(40)
        for count in range(1, len(WORDS) + 1):
            at_ms += 150
            yield at_ms, WordsHeard(f"s{turn}", " ".join(WORDS[:count]), is_final=False, settled=count % 2 == 0)
        yield at_ms + 100, VoiceStopped(200)
        yield at_ms + 400, TimePassed()
        yield at_ms + 700, WordsHeard(f"s{turn}", " ".join(WORDS) + ".", is_final=True)
        yield at_ms + 750, AgentChanged(is_busy=True)
        yield at_ms + 1_000, AgentChanged(is_busy=True, is_speaking=True)
        yield at_ms + 3_000, VoiceStarted(40)
        yield at_ms + 3_160, TimePassed()
        yield at_ms + 3_300, VoiceStopped(200)
        yield at_ms + 6_500, TimePassed()
        yield at_ms + 7_000, AgentChanged(is_busy=False)
        at_ms += 7_500
