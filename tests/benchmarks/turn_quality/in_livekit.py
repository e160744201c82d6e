"""Runs in `.venv-peers`: LiveKit's own voice detection and turn detector on a folder of clips, printed as JSON.

Their defaults: the model is asked after 0.2 s of silence on the last 1.2 s, the voice ends after 0.25 s, the turn 0.3 s after
the last voice, or 2.5 s when the model's figure is below the language's threshold; new voice cancels. Voice of 0.5 s
stops the agent (mode "vad": their adaptive interruption runs in their cloud only).
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

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
CHUNK_SAMPLES = 320
ASKED_AFTER_SECONDS = 0.2
SOON_SECONDS, LATE_SECONDS = 0.3, 2.5
ENOUGH_VOICE_SECONDS = 0.5


@dataclass
class Heard:
    ends_ms: list[float] = field(default_factory=list)
    starts_ms: list[float] = field(default_factory=list)
    quiets_ms: list[float] = field(default_factory=list)
    thought_ms: list[float] = field(default_factory=list)


class Judge:
    """One clip: what follows from each event of their voice detection. Times in seconds until they are told."""

    def __init__(self, sound: npt.NDArray[np.int16], threshold: float, detector: Any) -> None:
        local = importlib.import_module("livekit.local_inference")
        self._kinds = importlib.import_module("livekit.agents.vad").VADEventType
        self._longest = int(local.EOT_MAX_SAMPLES)
        self._sound, self._threshold, self._detector = sound, threshold, detector
        self._last_voice = 0.0
        self._probability: float | None = None
        self._due: float | None = None
        self.heard = Heard()

    def take(self, event: Any) -> None:
        at = float(event.timestamp)
        self.close(at)
        if event.type == self._kinds.INFERENCE_DONE:
            self._take_window(event, at)
        elif event.type == self._kinds.START_OF_SPEECH:
            self._due = None
        elif event.type == self._kinds.END_OF_SPEECH:
            is_end = self._probability is None or self._probability >= self._threshold
            self._due = max(at, self._last_voice + (SOON_SECONDS if is_end else LATE_SECONDS))
            self.heard.quiets_ms.append(at * 1_000)

    def close(self, at: float) -> None:
        """The turn ends when its time has come and no voice has cancelled it."""
        if self._due is not None and self._due <= at:
            self.heard.ends_ms.append(self._due * 1_000)
            self._due = None

    def _take_window(self, event: Any, at: float) -> None:
        if event.raw_accumulated_speech > 0:
            self._last_voice, self._probability = at, None
        if not event.speaking:
            return
        if event.speech_duration >= ENOUGH_VOICE_SECONDS:
            self.heard.starts_ms.append(at * 1_000)
        if event.raw_accumulated_silence >= ASKED_AFTER_SECONDS and self._probability is None:
            self._probability = self._ask(at)

    def _ask(self, at: float) -> float:
        end = round(at * RATE_HZ)
        before = time.perf_counter()
        probability = float(self._detector.predict(self._sound[max(0, end - self._longest) : end]))
        self.heard.thought_ms.append((time.perf_counter() - before) * 1_000)
        return probability


async def listen(pcm: bytes, language: str, detector: Any) -> Heard:
    rtc = importlib.import_module("livekit.rtc")
    inference = importlib.import_module("livekit.agents.inference.vad")
    languages = importlib.import_module("livekit.agents.inference.eot.languages")
    sound = np.frombuffer(pcm, "<i2")
    judge = Judge(sound, languages.LOCAL_LANGUAGES[language], detector)
    stream = inference.VAD().stream()
    for start in range(0, len(sound) - CHUNK_SAMPLES + 1, CHUNK_SAMPLES):
        chunk = sound[start : start + CHUNK_SAMPLES].tobytes()
        stream.push_frame(rtc.AudioFrame(chunk, RATE_HZ, 1, CHUNK_SAMPLES))
    stream.end_input()
    async for event in stream:
        judge.take(event)
    await stream.aclose()
    judge.close(len(sound) / RATE_HZ)
    return judge.heard


def main(folder: Path) -> None:
    detector = importlib.import_module("livekit.local_inference").EOT()
    answer = {}
    for path in sorted(folder.glob("*.wav")):
        with wave.open(str(path)) as file:
            pcm = file.readframes(file.getnframes())
        answer[path.stem] = vars(asyncio.run(listen(pcm, path.stem.partition("-")[0], detector)))
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
