"""Owns finding speech by its energy and cutting it into utterances; sends through one callback."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from tests.aws_emulator.journal import Json, now_ms
from tests.aws_emulator.script import TranscribePlan
from tests.aws_emulator.transcribe_checks import StreamParameters
from tests.aws_emulator.transcripts import Utterance, final_event, partial_event

_WINDOW_MS = 20
_SURE_SILENCE_MS = 150
_AHEAD_OF_TIME_MS = 250
_STALLED_CLIENT_MS = 2_500


@dataclass(frozen=True)
class Voicing:
    """Where in one chunk there was sound loud enough, in milliseconds from the chunk's start."""

    voiced_ms: float
    first_ms: float
    last_end_ms: float


def find_voice(chunk: bytes, parameters: StreamParameters, threshold_dbfs: float) -> Voicing | None:
    if chunk.count(0) == len(chunk):
        return None
    samples = np.frombuffer(chunk, dtype="<i2").astype(np.float32)
    per_window = max(1, round(parameters.rate_hz * parameters.channels * _WINDOW_MS / 1000))
    starts = np.arange(0, len(samples), per_window)
    sizes = np.diff(np.append(starts, len(samples)))
    power = np.add.reduceat(samples * samples, starts) / sizes
    voiced = np.flatnonzero(power > (32768 * 10 ** (threshold_dbfs / 20)) ** 2)
    if not len(voiced):
        return None
    to_ms = 1000 / (parameters.rate_hz * parameters.channels)
    first, last = voiced[0], voiced[-1]
    return Voicing(
        voiced_ms=float(sizes[voiced].sum() * to_ms),
        first_ms=float(starts[first] * to_ms),
        last_end_ms=float((starts[last] + sizes[last]) * to_ms),
    )


@dataclass
class _Speaking:
    """An utterance in progress; audio times count from the start of the stream, clock times are monotonic."""

    started_audio_ms: float
    voiced_ms: float
    ended_audio_ms: float
    ended_clock_ms: float
    started_clock_ms: float
    utterance: Utterance | None = None
    words_shown: int = 0
    stable_sent: bool = False


class Hearing:
    """Feeds on chunks; an utterance ends `final_ms` after its last sound, on the clock of a real-time client.

    Silence must be seen in the audio too, so a client that is late does not cut its own utterance; only one
    that sends nothing for two and a half seconds does. A client faster than real time is judged by its audio alone.
    """

    def __init__(
        self,
        plan: TranscribePlan,
        parameters: StreamParameters,
        next_text: Callable[[], str],
        send: Callable[[Json], None],
        record: Callable[[Json], None],
    ) -> None:
        self._plan = plan
        self._parameters = parameters
        self._next_text = next_text
        self._send = send
        self._record = record
        self._position_ms = 0.0
        self._chunk_clock_ms = now_ms()
        self._speaking: _Speaking | None = None
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, chunk: bytes) -> None:
        start_ms = self._position_ms
        self._position_ms += len(chunk) / self._parameters.bytes_per_ms
        self._chunk_clock_ms = now_ms()
        voicing = find_voice(chunk, self._parameters, self._plan.threshold_dbfs)
        if voicing is not None:
            self._hear(voicing, start_ms)
        self._settle()

    def flush(self) -> None:
        """The client has ended its audio: what was heard becomes final now."""
        if self._speaking is not None:
            self._finish(self._speaking)
        self.close()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._speaking = None, None

    def _hear(self, voicing: Voicing, chunk_start_ms: float) -> None:
        ended_audio_ms = chunk_start_ms + voicing.last_end_ms
        ended_clock_ms = self._chunk_clock_ms - (self._position_ms - ended_audio_ms)
        speaking = self._speaking
        if speaking is None:
            started_ms = chunk_start_ms + voicing.first_ms
            started_clock_ms = self._chunk_clock_ms - (self._position_ms - started_ms)
            speaking = _Speaking(started_ms, 0, ended_audio_ms, ended_clock_ms, started_clock_ms)
            self._speaking = speaking
        speaking.voiced_ms += voicing.voiced_ms
        speaking.ended_audio_ms, speaking.ended_clock_ms = ended_audio_ms, ended_clock_ms
        speaking.stable_sent = False
        if speaking.utterance is None and speaking.voiced_ms >= self._plan.min_speech_ms:
            speaking.utterance = Utterance(
                str(uuid4()), self._next_text(), speaking.started_audio_ms, self._plan.ms_per_word
            )
        self._show_words(speaking)

    def _show_words(self, speaking: _Speaking) -> None:
        utterance = speaking.utterance
        if utterance is None or not self._plan.partials:
            return
        words = min(utterance.words, math.floor(speaking.voiced_ms / self._plan.ms_per_word))
        if words > speaking.words_shown:
            speaking.words_shown = words
            self._send(partial_event(utterance, words, False, self._parameters))

    def _settle(self) -> None:
        """Sends what is due and sets the timer for what is next."""
        speaking = self._speaking
        if speaking is None:
            return
        now = now_ms()
        stable_ms = self._plan.stable_ms
        if stable_ms is not None and not speaking.stable_sent and self._is_due(speaking, stable_ms, now):
            self._send_stable(speaking)
        if self._is_due(speaking, self._plan.final_ms, now):
            self._finish(speaking)
        elif self._timer is None:
            self._arm(speaking, now)

    def _is_due(self, speaking: _Speaking, wait_ms: float, now: float) -> bool:
        silence_ms = self._position_ms - speaking.ended_audio_ms
        seen_silence = silence_ms >= min(max(wait_ms, _WINDOW_MS), _SURE_SILENCE_MS)
        return (
            (seen_silence and now >= speaking.ended_clock_ms + wait_ms)
            or silence_ms >= wait_ms + _AHEAD_OF_TIME_MS
            or now >= self._chunk_clock_ms + _STALLED_CLIENT_MS + wait_ms
        )

    def _arm(self, speaking: _Speaking, now: float) -> None:
        waits = (self._plan.stable_ms if not speaking.stable_sent else None, self._plan.final_ms)
        dues = [speaking.ended_clock_ms + wait for wait in waits if wait is not None]
        stalled = self._chunk_clock_ms + _STALLED_CLIENT_MS + self._plan.final_ms
        next_ms = min((due for due in dues if due > now), default=stalled)
        delay_seconds = max(next_ms - now, 1) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._settle()

    def _send_stable(self, speaking: _Speaking) -> None:
        speaking.stable_sent = True
        utterance = speaking.utterance
        if utterance is not None:
            speaking.words_shown = utterance.words
            self._send(partial_event(utterance, utterance.words, True, self._parameters))

    def _finish(self, speaking: _Speaking) -> None:
        self._speaking = None
        if speaking.utterance is None:
            return
        self._send(final_event(speaking.utterance, speaking.ended_audio_ms, self._parameters))
        facts: dict[str, Any] = {
            "text": speaking.utterance.text,
            "speech_started_ms": speaking.started_clock_ms,
            "speech_ended_ms": speaking.ended_clock_ms,
            "speech_ended_audio_ms": speaking.ended_audio_ms,
            "final_sent_ms": now_ms(),
        }
        self._record(facts)
