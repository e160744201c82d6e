"""Words that are in the sound itself: each is a tone, so that what was lost or heard twice shows in the text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import uuid4

import numpy as np

from tests.aws_emulator.journal import Json
from tests.aws_emulator.transcribe_checks import StreamParameters
from tests.aws_emulator.transcripts import TimedWord, timed_event

WORD_MS, GAP_MS = 160, 40
_FIRST_HZ, _STEP_HZ = 500, 100
_WINDOW_MS = 20
_HALF_A_WORD_MS = 110
_HALF_HEARD = "uh"
_LEVEL = 0.3
_QUIETEST_POWER = (32_768 * 0.02) ** 2


def spoken(words: Sequence[str], vocabulary: Sequence[str], rate_hz: int) -> bytes:
    """Each word's tone and a short gap behind it."""
    gap = bytes(rate_hz * GAP_MS // 1_000 * 2)
    return b"".join(_tone(vocabulary.index(word), rate_hz) + gap for word in words)


@lru_cache(maxsize=256)
def _tone(number: int, rate_hz: int) -> bytes:
    """It swells and fades as a syllable does: a steady tone is no voice."""
    seconds = np.arange(rate_hz * WORD_MS // 1_000) / rate_hz
    swell = 0.25 + 0.75 * np.sin(np.pi * seconds / (WORD_MS / 1_000))
    wave = np.sin(2 * np.pi * (_FIRST_HZ + number * _STEP_HZ) * seconds) * swell * _LEVEL
    return bytes(np.round(wave * 32_767).astype("<i2").tobytes())


@dataclass
class _Run:
    """Windows of one tone in a row."""

    number: int
    start_ms: float
    end_ms: float


class ToneHearing:
    """Feeds on chunks and judges by the sound alone, never by the clock; a word of which half is missing is misheard.

    A segment is final after `final_ms` of silence, or when the client has ended its sound.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        final_ms: float,
        parameters: StreamParameters,
        send: Callable[[Json], None],
        record: Callable[[dict[str, Any]], None],
    ) -> None:
        self._vocabulary = vocabulary
        self._final_ms = final_ms
        self._parameters = parameters
        self._send = send
        self._record = record
        self._rest = b""
        self._at_ms = 0.0
        self._run: _Run | None = None
        self._words: list[TimedWord] = []
        self._result_id = str(uuid4())

    def feed(self, chunk: bytes) -> None:
        sound = self._rest + chunk
        size = self._parameters.rate_hz * _WINDOW_MS // 1_000 * 2
        for start in range(0, len(sound) - size + 1, size):
            self._take(self._tone_of(sound[start : start + size]))
        self._rest = sound[len(sound) // size * size :]

    def flush(self) -> None:
        self._end_run()
        self._end_segment()

    def close(self) -> None:
        return

    def _take(self, number: int | None) -> None:
        start_ms, self._at_ms = self._at_ms, self._at_ms + _WINDOW_MS
        run = self._run
        if run is not None and run.number != number:
            self._end_run()
        if number is not None:
            if self._run is None:
                self._run = _Run(number, start_ms, self._at_ms)
            self._run.end_ms = self._at_ms
        elif self._words and self._at_ms - self._words[-1].end_ms >= self._final_ms:
            self._end_segment()

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is None or run.end_ms - run.start_ms < 2 * _WINDOW_MS:
            return
        is_whole = run.end_ms - run.start_ms >= _HALF_A_WORD_MS
        content = self._vocabulary[run.number] if is_whole else _HALF_HEARD
        self._words.append(TimedWord(content, run.start_ms, run.end_ms))
        self._send(timed_event(self._result_id, self._words, True, self._parameters))

    def _end_segment(self) -> None:
        if not self._words:
            return
        self._send(timed_event(self._result_id, self._words, False, self._parameters))
        text = " ".join(word.content for word in self._words)
        self._record({"text": text, "speech_ended_audio_ms": self._words[-1].end_ms})
        self._words, self._result_id = [], str(uuid4())

    def _tone_of(self, window: bytes) -> int | None:
        samples = np.frombuffer(window, "<i2").astype(np.float64)
        if float(np.mean(samples * samples)) < _QUIETEST_POWER:
            return None
        loudest = int(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))))
        number = round((loudest * 1_000 / _WINDOW_MS - _FIRST_HZ) / _STEP_HZ)
        return number if 0 <= number < len(self._vocabulary) else None
