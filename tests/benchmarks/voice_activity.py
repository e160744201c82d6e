"""CPU of voice activity for 100 sessions, in a process of its own; `python -m tests.benchmarks.voice_activity` prints it."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sessions.live.resampling import StreamResampler
from sessions.live.silero_batch import SileroBatch
from sessions.live.silero_model import INPUT_SAMPLES, STATE_SIZE, SileroModel
from sessions.live.silero_voice import SileroVoiceActivity
from sessions.live.voice_activity import EnergyVoiceActivity, VoiceActivity
from tests.benchmarks.report import Table, load_note, percentile
from tests.local_speech import speech

SESSIONS = 100
SECONDS = 5.0
WARM_UP_SECONDS = 1.0
LIMIT_SECONDS = 60
MODEL_BATCHES = (1, 4, 16, 64)
MODEL_RUNS = 200
GOAL = "< 25"
_TEXT = "Hello there, my friend. What time is it today? Please tell me a story of the sea and the ships. "
_PAUSE_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    engine: str
    rate_hz: int
    chunk_ms: int
    talking: int
    sessions: int = SESSIONS


CASES = (
    Case("silero, half talk, 24 kHz, 100 ms", "silero", 24_000, 100, 50),
    Case("silero, half talk, 16 kHz, 20 ms", "silero", 16_000, 20, 50),
    Case("silero, all talk, 24 kHz, 100 ms", "silero", 24_000, 100, 100),
    Case("silero, all talk, 16 kHz, 100 ms", "silero", 16_000, 100, 100),
    Case("silero, none talk, 24 kHz, 100 ms", "silero", 24_000, 100, 0),
    Case("silero, one session, 24 kHz, 100 ms", "silero", 24_000, 100, 1, 1),
    Case("energy, all talk, 24 kHz, 100 ms", "energy", 24_000, 100, 100),
)


def measure_model() -> Table:
    """The yardstick of the table after it: how fast this machine is at the model itself."""
    table = Table(f"Silero's model itself {load_note()}", ("windows of 32 ms together", "microseconds each, p50"))
    model = SileroModel()
    model.warm_up()
    for together in MODEL_BATCHES:
        windows = np.zeros((together, INPUT_SAMPLES), np.float32)
        states = np.zeros((2, together, STATE_SIZE), np.float32)
        run = partial(model.run, windows, states)
        took = [_microseconds(run) / together for _ in range(MODEL_RUNS)]
        table.add(str(together), percentile(took, 50))
    return table


def _microseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000_000


def measure() -> Table:
    columns = ("case", "% of a core", "bench itself: %", "heard: %", "wait p50 ms", "p95", "max", "goal: % of a core")
    table = Table(f"Voice activity of {SESSIONS} sessions for {SECONDS:.0f} s {load_note()}", columns)
    for place, case in enumerate(CASES):
        figures = _child(place)
        waits = (figures["p50"], figures["p95"], figures["max"])
        table.add(
            case.name,
            figures["percent"],
            figures["idle"],
            figures["heard"],
            *waits,
            GOAL if case.engine == "silero" else "",
        )
    return table


def _child(place: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.voice_activity", str(place)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LIMIT_SECONDS)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


class _NoEar:
    """What the bench itself costs."""

    is_voice = False
    position_ms = 0

    async def hear(self, pcm: bytes) -> list[object]:
        return []


async def _measure_here(case: Case) -> dict[str, float]:
    idle, _ = await _run(case, lambda: _NoEar())
    if case.engine == "energy":
        whole, waits = await _run(case, lambda: EnergyVoiceActivity(case.rate_hz))
    else:
        model = SileroModel()
        model.warm_up()
        batch = SileroBatch(model)
        whole, waits = await _run(case, lambda: SileroVoiceActivity(case.rate_hz, batch))
    return {
        "percent": whole - idle,
        "idle": idle,
        "heard": len(waits) / (case.sessions * SECONDS * 1_000 / case.chunk_ms) * 100,
        "p50": percentile(waits, 50),
        "p95": percentile(waits, 95),
        "max": max(waits),
    }


async def _run(case: Case, new_ear: "Callable[[], VoiceActivity | _NoEar]") -> tuple[float, list[float]]:
    """Percent of a core, and how long each chunk waited for its judgement in milliseconds."""
    voice, silence = _chunks(case, talks=True), _chunks(case, talks=False)
    waits: list[float] = []
    start_at = time.monotonic() + 0.1
    talkers = [
        asyncio.create_task(_talk(new_ear(), voice if n < case.talking else silence, start_at, n, case.chunk_ms, waits))
        for n in range(case.sessions)
    ]
    await asyncio.sleep(start_at + WARM_UP_SECONDS - time.monotonic())
    waits.clear()
    cpu_at, clock_at = time.process_time(), time.monotonic()
    await asyncio.sleep(SECONDS)
    percent = (time.process_time() - cpu_at) / (time.monotonic() - clock_at) * 100
    waits = waits.copy()
    for talker in talkers:
        talker.cancel()
    await asyncio.gather(*talkers, return_exceptions=True)
    return percent, waits


async def _talk(
    ear: "VoiceActivity | _NoEar", chunks: list[bytes], start_at: float, number: int, chunk_ms: int, waits: list[float]
) -> None:
    """Chunks by the clock, each session at its own moment and its own place in the text."""
    due = start_at + chunk_ms / 1_000 * number / SESSIONS
    place = number * 7
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        await ear.hear(chunks[place % len(chunks)])
        waits.append((time.monotonic() - began) * 1_000)
        due += chunk_ms / 1_000
        place += 1


def _chunks(case: Case, *, talks: bool) -> list[bytes]:
    size = case.rate_hz * case.chunk_ms // 1_000 * 2
    if not talks:
        return [bytes(size)]
    converter = StreamResampler(16_000, case.rate_hz)
    pause = bytes(int(case.rate_hz * _PAUSE_SECONDS) * 2)
    pcm = converter.process(speech(_TEXT, 16_000)) + converter.flush() + pause
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(_measure_here(CASES[int(sys.argv[1])]))))
    else:
        print(measure_model().text())
        print(measure().text())
