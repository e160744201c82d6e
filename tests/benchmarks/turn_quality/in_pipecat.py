"""Runs in `.venv-peers`: Pipecat's own voice analyser and Smart Turn on a folder of clips, printed as JSON.

Their defaults: Silero with 0.2 s to start and to stop, then the model on the last 8 s, and an end after 3 s of silence at
the latest. Only the clock is ours: both classes measure the sound's age by it, and clips run faster than they sound.
"""

import asyncio
import importlib
import json
import sys
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHUNK_MS = 20
RATE_HZ = 16_000


class ClipClock:
    """Stands in for the module `time`: the clip's time, but real time for what the model takes."""

    now_seconds = 1_000.0

    def monotonic(self) -> float:
        return self.now_seconds

    def time(self) -> float:
        return self.now_seconds

    def perf_counter(self) -> float:
        return time.perf_counter()


@dataclass
class Heard:
    ends_ms: list[float] = field(default_factory=list)
    starts_ms: list[float] = field(default_factory=list)
    quiets_ms: list[float] = field(default_factory=list)
    thought_ms: list[float] = field(default_factory=list)


class Listener:
    """Clip after clip: the voice's changes and the end of the turn, as their user aggregator puts the two together."""

    def __init__(self, clock: ClipClock) -> None:
        voice = importlib.import_module("pipecat.audio.vad.silero")
        base = importlib.import_module("pipecat.audio.turn.smart_turn.base_smart_turn")
        smart = importlib.import_module("pipecat.audio.turn.smart_turn.local_smart_turn_v3")
        states = importlib.import_module("pipecat.audio.vad.vad_analyzer").VADState
        turns = importlib.import_module("pipecat.audio.turn.base_turn_analyzer")
        for module in (voice, base):
            vars(module)["time"] = clock
        self._clock = clock
        self._quiet, self._speaking, self._complete = states.QUIET, states.SPEAKING, turns.EndOfTurnState.COMPLETE
        self._new_voice = voice.SileroVADAnalyzer
        self._voice: Any = None
        self._turn: Any = smart.LocalSmartTurnAnalyzerV3()
        self._turn.set_sample_rate(RATE_HZ)

    async def listen(self, pcm: bytes) -> Heard:
        heard = Heard()
        self._voice, self._is_voice = self._new_voice(sample_rate=RATE_HZ), False
        self._voice.set_sample_rate(RATE_HZ)
        self._turn.clear()
        chunk_bytes = RATE_HZ * CHUNK_MS // 1_000 * 2
        for number, start in enumerate(range(0, len(pcm), chunk_bytes), 1):
            self._clock.now_seconds += CHUNK_MS / 1_000
            await self._hear(pcm[start : start + chunk_bytes], number * CHUNK_MS, heard)
        await self._voice.cleanup()
        await self._turn.cleanup()
        return heard

    async def _hear(self, chunk: bytes, now_ms: float, heard: Heard) -> None:
        state = await self._voice.analyze_audio(chunk)
        if not self._is_voice and state == self._speaking:
            self._is_voice = True
            self._turn.update_vad_start_secs(self._voice.params.start_secs)
            heard.starts_ms.append(now_ms)
        elif self._is_voice and state == self._quiet:
            self._is_voice = False
            heard.quiets_ms.append(now_ms)
            if await self._asks(heard):
                heard.ends_ms.append(now_ms)
        if self._turn.append_audio(chunk, self._is_voice) == self._complete:
            heard.ends_ms.append(now_ms)

    async def _asks(self, heard: Heard) -> bool:
        before = time.perf_counter()
        state, _ = await self._turn.analyze_end_of_turn()
        heard.thought_ms.append((time.perf_counter() - before) * 1_000)
        return bool(state == self._complete)


def main(folder: Path) -> None:
    listener = Listener(ClipClock())
    answer = {}
    for path in sorted(folder.glob("*.wav")):
        with wave.open(str(path)) as file:
            pcm = file.readframes(file.getnframes())
        answer[path.stem] = vars(asyncio.run(listener.listen(pcm)))
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
