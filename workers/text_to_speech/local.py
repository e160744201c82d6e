"""The local mouth: espeak-ng from its wheel, in this process; no network, no files written."""

import ctypes
import threading
from collections.abc import Iterator
from typing import Any, Final

import espeakng_loader
import numpy as np
import numpy.typing as npt

from workers.errors import ProviderRefusedError, ProviderUnavailableError
from workers.sentences import CutLengths, SentenceCutter
from workers.settings import WorkerSettings
from workers.text_to_speech.contract import SpeechChunk, VoiceOptions
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
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class LocalSynthesiser:
    """One espeak engine per process. A sentence takes it a few milliseconds, spoken within the call."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._engine = _engine()

    def synthesize(self, text: str, voice: VoiceOptions) -> Iterator[SpeechChunk]:
        name = espeak_voice(voice.voice, voice.language)
        if name is None:
            raise ProviderRefusedError(f"the local synthesiser has no voice for the language {voice.language}")
        is_first = True
        for piece in _pieces(text):
            samples = self._engine.speak(piece, name)
            yield from self._chunks(_without_lead(samples, self._engine.rate_hz) if is_first else samples)
            is_first = False

    def _chunks(self, samples: _Samples) -> Iterator[SpeechChunk]:
        rate_hz = self._engine.rate_hz
        step = rate_hz * _CHUNK_MS // 1_000
        for start in range(0, len(samples), step):
            yield SpeechChunk(samples[start : start + step].astype("<i2").tobytes(), rate_hz)


def _pieces(text: str) -> list[str]:
    """Long texts in parts, so that the first sound leaves early and a closed iterator stops the work."""
    cutter = SentenceCutter(_PIECES)
    sentences = cutter.feed(text.replace("\0", " ")) + cutter.flush()
    return [sentence.text for sentence in sentences]


def _without_lead(samples: _Samples, rate_hz: int) -> _Samples:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET_SAMPLE)
    if not len(loud):
        return samples[:0]
    return samples[max(0, int(loud[0]) - rate_hz * _LEAD_MS // 1_000) :]


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
        self._callback = _Callback(self._take)  # must live as long as the library may call it
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str) -> _Samples:
        with self._lock:
            self._choose(voice)
            self._spoken = []
            encoded = text.encode("utf-8", "replace") + b"\0"
            arguments = (encoded, len(encoded), 0, _POSITION_IN_CHARACTERS, 0, _TEXT_IS_UTF8, None, None)
            if self._library.espeak_Synth(*arguments) != 0:
                raise ProviderUnavailableError("espeak-ng failed to speak")
            return np.concatenate([np.zeros(0, np.int16), *self._spoken])

    def _choose(self, voice: str) -> None:
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ProviderRefusedError(f"espeak-ng has no voice called {voice}")
        self._voice = voice

    def _take(self, wave: Any, sample_count: int, _events: Any) -> int:
        if wave and sample_count > 0:
            self._spoken.append(np.ctypeslib.as_array(wave, (sample_count,)).copy())
        return 0


_made: list[_Engine] = []
_making = threading.Lock()


def _engine() -> _Engine:
    with _making:
        if not _made:
            _made.append(_Engine())
        return _made[0]
