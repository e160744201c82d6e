"""From one stream's audio to its transcripts: finds the speech, lends it a decoder; knows no pipe and no clock."""

import re
import threading
from collections.abc import Iterator
from typing import Final, TypedDict

import numpy as np
from pocketsphinx import Config, Decoder

from sessions.live.voice_activity import EnergyVoiceActivity, VoiceActivityParameters, VoiceStarted
from sessions.speech_to_text.local_frames import RATE_HZ

_BYTES_PER_MS: Final = RATE_HZ * 2 // 1_000
_STEP_MS: Final = 20
_END_SILENCE_MS: Final = 500
_LEAD_IN_MS: Final = 300
_PARTIAL_EVERY_MS: Final = 300
_LONGEST_SEGMENT_MS: Final = 20_000
_MAX_DECODERS: Final = 4
_DITHER: Final = 10.0
_FIRST_MEANS: Final = "41,-5.3,-0.1,5,-2,1.5,-5,-0.4,-3.4,-4,-3,-2.3,-3.2"
_PRONUNCIATION: Final = re.compile(r"\(\d+\)")


class Heard(TypedDict):
    segment: int
    text: str
    is_final: bool
    start_ms: int
    end_ms: int


class DecoderPool:
    """Decoders are heavy (a model each), so a stream borrows one only while somebody speaks on it."""

    def __init__(self, grammar: str | None) -> None:
        self._grammar = grammar
        self._lock = threading.Lock()
        self._idle: list[Decoder] = [self._make()]
        self._made = 1

    def borrow(self) -> Decoder | None:
        """None when all are lent out: the segment has to wait."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._made == _MAX_DECODERS:
                return None
            self._made += 1
        return self._make()

    def give_back(self, decoder: Decoder) -> None:
        with self._lock:
            self._idle.append(decoder)

    def _make(self) -> Decoder:
        # The second pass costs 90 ms of CPU at the end of a turn and mends one word in fifty (measured).
        decoder = Decoder(Config(loglevel="FATAL", fwdflat=False))
        if self._grammar is not None:
            decoder.add_jsgf_string("grammar", self._grammar)
            decoder.activate_search("grammar")
        return decoder


class Hearing:
    """One stream. Its segments run from the first voiced sound to 500 ms of silence."""

    def __init__(self, pool: DecoderPool) -> None:
        self._pool = pool
        self._voice = EnergyVoiceActivity(RATE_HZ, VoiceActivityParameters(hangover_ms=_END_SILENCE_MS))
        self._noise = np.random.default_rng(1)
        self._means = _FIRST_MEANS
        self._lead_in = b""
        self._skipped_ms = 0
        self._heard_ms = 0
        self._segments = 0
        self._segment: _Segment | None = None

    def hear(self, pcm: bytes) -> Iterator[Heard]:
        step_bytes = _STEP_MS * _BYTES_PER_MS
        for start in range(0, len(pcm), step_bytes):
            yield from self._step(pcm[start : start + step_bytes])

    def finish(self) -> Iterator[Heard]:
        """The last final, when somebody was speaking."""
        if self._segment is not None:
            yield from self._end()

    def skip(self, lost_ms: int) -> None:
        """Audio was lost before what comes next; times go on as if it had been heard."""
        self._skipped_ms += lost_ms

    def abandon(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _step(self, pcm: bytes) -> Iterator[Heard]:
        self._heard_ms += len(pcm) // _BYTES_PER_MS
        pcm = self._dithered(pcm)
        for event in self._voice.feed(pcm):
            if isinstance(event, VoiceStarted) and self._segment is None:
                self._begin(event.at_ms)
            elif not isinstance(event, VoiceStarted) and self._segment is not None:
                yield from self._end()
        if self._segment is None:
            self._lead_in = (self._lead_in + pcm)[-_LEAD_IN_MS * _BYTES_PER_MS :]
            return
        now_ms = self._heard_ms + self._skipped_ms
        yield from self._segment.hear(pcm, now_ms)
        if now_ms - self._segment.start_ms >= _LONGEST_SEGMENT_MS:
            yield from self._end()
            self._voice = EnergyVoiceActivity(RATE_HZ, VoiceActivityParameters(hangover_ms=_END_SILENCE_MS))

    def _begin(self, at_ms: int) -> None:
        self._segments += 1
        start_ms = min(at_ms, self._heard_ms) + self._skipped_ms
        self._segment = _Segment(self._pool, self._segments, start_ms, self._means, self._lead_in)
        self._lead_in = b""

    def _end(self) -> Iterator[Heard]:
        segment, self._segment = self._segment, None
        if segment is not None:
            yield from segment.end(self._heard_ms + self._skipped_ms)
            self._means = segment.means

    def _dithered(self, pcm: bytes) -> bytes:
        """Digital silence has no spectrum; a little noise keeps the model's means within bounds."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        samples += self._noise.standard_normal(len(samples), np.float32) * _DITHER
        return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


class _Segment:
    """One utterance in a borrowed decoder; while none is free its audio waits, as long as a segment may be."""

    def __init__(self, pool: DecoderPool, number: int, start_ms: int, means: str, lead_in: bytes) -> None:
        self._pool = pool
        self._number = number
        self.start_ms = start_ms
        self.means = means
        self._waiting = lead_in
        self._decoder: Decoder | None = None
        self._text = ""
        self._next_partial_ms = start_ms + _PARTIAL_EVERY_MS

    def hear(self, pcm: bytes, now_ms: int) -> Iterator[Heard]:
        self._waiting += pcm
        if not self._decode_waiting() or now_ms < self._next_partial_ms:
            return
        self._next_partial_ms = now_ms + _PARTIAL_EVERY_MS
        text = self._hypothesis()
        if text and text != self._text:
            self._text = text
            yield self._heard(text, now_ms, is_final=False)

    def end(self, now_ms: int) -> Iterator[Heard]:
        """The final; none when no word was ever heard. A segment that never got a decoder is lost."""
        had_partial = bool(self._text)
        text = ""
        if self._decode_waiting() and self._decoder is not None:
            self._decoder.end_utt()
            text = self._hypothesis()
            self.means = self._decoder.get_cmn(True)
            self._pool.give_back(self._decoder)
            self._decoder = None
        if text or had_partial:
            yield self._heard(text, now_ms, is_final=True)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.end_utt()
            self._pool.give_back(self._decoder)
            self._decoder = None

    def _decode_waiting(self) -> bool:
        if self._decoder is None:
            self._decoder = self._pool.borrow()
            if self._decoder is None:
                return False
            self._decoder.set_cmn(self.means)
            self._decoder.start_utt()
        if self._waiting:
            self._decoder.process_raw(self._waiting)
            self._waiting = b""
        return True

    def _hypothesis(self) -> str:
        hypothesis = self._decoder.hyp() if self._decoder is not None else None
        return _PRONUNCIATION.sub("", hypothesis.hypstr).strip() if hypothesis is not None else ""

    def _heard(self, text: str, end_ms: int, *, is_final: bool) -> Heard:
        return Heard(segment=self._number, text=text, is_final=is_final, start_ms=self.start_ms, end_ms=end_ms)
