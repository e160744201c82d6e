"""The local mouth: espeak-ng from its wheel, in this process; no network, no files written."""

import ctypes
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import espeakng_loader
import numpy as np
import numpy.typing as npt

from workers.errors import ProviderRefusedError, ProviderUnavailableError
from workers.sentences import CutLengths, Sentence, SentenceCutter
from workers.settings import WorkerSettings
from workers.text_to_speech.contract import SpeechChunk, Urgency, VoiceOptions, WordMark
from workers.text_to_speech.local_voices import espeak_voice

_Samples = npt.NDArray[np.int16]

_CHUNK_MS: Final = 100
_SYNCHRONOUS_RETRIEVAL: Final = 2
_DO_NOT_EXIT: Final = 0x8000
_POSITION_IN_CHARACTERS: Final = 1
_TEXT_IS_UTF8: Final = 1
_QUIET_SAMPLE: Final = 150
_LEAD_MS: Final = 10
_PIECES: Final = CutLengths(first_latin=60, first_wide=20, latin=120, wide=40, longest=240)


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h; `text_position` counts characters from 1, `audio_position_ms` from the start."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_NO_MORE_EVENTS: Final = 0
_WORD_EVENT: Final = 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Speech(NamedTuple):
    samples: _Samples
    words: tuple[WordMark, ...]


class LocalSynthesiser:
    """One espeak engine per process. A sentence takes it a few milliseconds, spoken within the call."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._engine = _engine()

    def synthesize(
        self, text: str, voice: VoiceOptions, urgency: Urgency = Urgency.LATER_SENTENCE
    ) -> Iterator[SpeechChunk]:
        for _, speech in self._spoken(text, voice):
            yield from self._chunks(speech.samples)

    def word_marks(self, text: str, voice: VoiceOptions) -> tuple[WordMark, ...]:
        """Spoken once more for its times, which differ by a few milliseconds each time: espeak varies at random."""
        marks: list[WordMark] = []
        made_ms = 0.0
        for at, speech in self._spoken(text, voice):
            marks += [WordMark(made_ms + word.start_ms, at + word.start, at + word.end) for word in speech.words]
            made_ms += len(speech.samples) * 1_000 / self._engine.rate_hz
        return tuple(marks)

    def _spoken(self, text: str, voice: VoiceOptions) -> Iterator[tuple[int, _Speech]]:
        """Piece by piece, each with its place in the text."""
        name = espeak_voice(voice.voice, voice.language)
        if name is None:
            raise ProviderRefusedError(f"the local synthesiser has no voice for the language {voice.language}")
        at = 0
        for number, piece in enumerate(_pieces(text)):
            speech = self._engine.speak(piece.text, name)
            at += len(piece.separator)
            yield at, _without_lead(speech, self._engine.rate_hz) if number == 0 else speech
            at += len(piece.text)

    def _chunks(self, samples: _Samples) -> Iterator[SpeechChunk]:
        rate_hz = self._engine.rate_hz
        step = rate_hz * _CHUNK_MS // 1_000
        for start in range(0, len(samples), step):
            yield SpeechChunk(samples[start : start + step].astype("<i2").tobytes(), rate_hz)


def _pieces(text: str) -> list[Sentence]:
    """Long texts in parts, so that the first sound leaves early and a closed iterator stops the work."""
    cutter = SentenceCutter(_PIECES)
    return cutter.feed(text.replace("\0", " ")) + cutter.flush()


def _without_lead(speech: _Speech, rate_hz: int) -> _Speech:
    loud = np.flatnonzero(np.abs(speech.samples.astype(np.int32)) > _QUIET_SAMPLE)
    if not len(loud):
        return _Speech(speech.samples[:0], ())
    lead = max(0, int(loud[0]) - rate_hz * _LEAD_MS // 1_000)
    lead_ms = lead * 1_000 / rate_hz
    words = [WordMark(max(0.0, word.start_ms - lead_ms), word.start, word.end) for word in speech.words]
    return _Speech(speech.samples[lead:], tuple(words))


class _Engine:
    """espeak's library keeps one voice and one callback for the whole process: only one call at a time."""

    def __init__(self) -> None:
        try:
            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise ProviderUnavailableError(f"espeak-ng cannot be loaded: {error}", retriable=False) from error
        data_path = espeakng_loader.get_data_path().encode()
        self.rate_hz = int(self._library.espeak_Initialize(_SYNCHRONOUS_RETRIEVAL, _CHUNK_MS, data_path, _DO_NOT_EXIT))
        if self.rate_hz <= 0:
            raise ProviderUnavailableError("espeak-ng did not find its voices", retriable=False)
        self._lock = threading.Lock()
        self._voice = ""
        self._spoken: list[_Samples] = []
        self._words: list[WordMark] = []
        self._callback = _Callback(self._take)  # must live as long as the library may call it
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str) -> _Speech:
        with self._lock:
            self._choose(voice)
            self._spoken, self._words = [], []
            encoded = text.encode("utf-8", "replace") + b"\0"
            arguments = (encoded, len(encoded), 0, _POSITION_IN_CHARACTERS, 0, _TEXT_IS_UTF8, None, None)
            if self._library.espeak_Synth(*arguments) != 0:
                raise ProviderUnavailableError("espeak-ng failed to speak")
            return _Speech(np.concatenate([np.zeros(0, np.int16), *self._spoken]), tuple(self._words))

    def _choose(self, voice: str) -> None:
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ProviderRefusedError(f"espeak-ng has no voice called {voice}")
        self._voice = voice

    def _take(self, wave: Any, sample_count: int, events: Any) -> int:
        self._take_words(events)
        if wave and sample_count > 0:
            self._spoken.append(np.ctypeslib.as_array(wave, (sample_count,)).copy())
        return 0

    def _take_words(self, events: Any) -> None:
        number = 0
        while events and (event := events[number]).kind != _NO_MORE_EVENTS:
            start = event.text_position - 1
            is_new = not self._words or start >= self._words[-1].end  # a number is told digit by digit
            if event.kind == _WORD_EVENT and event.length > 0 and is_new:
                self._words.append(WordMark(float(event.audio_position_ms), start, start + event.length))
            number += 1


_made: list[_Engine] = []
_making = threading.Lock()


def _engine() -> _Engine:
    with _making:
        if not _made:
            _made.append(_Engine())
        return _made[0]
