"""The Silero voice model on onnxruntime: finds its file, runs batches of windows; keeps no stream's state."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.errors import NovaError

try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as native
except ImportError:
    onnxruntime = native = None

Floats = npt.NDArray[np.float32]

RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
INPUT_SAMPLES: Final = CONTEXT_SAMPLES + WINDOW_SAMPLES
STATE_SIZE: Final = 128
_FILE: Final = "silero_vad.onnx"
_QUIET: Final = 3
_WARM_UP_BATCHES: Final = (1, 2, 4, 8, 16)


class VoiceModelMissingError(NovaError):
    code = "voice_model_missing"


class VoiceModelFailedError(NovaError):
    code = "voice_model_failed"


def _run_errors() -> tuple[type[Exception], ...]:
    """What a run may raise: onnxruntime's own, which share no base, and those of its Python layer."""
    names = ("Fail", "InvalidArgument", "RuntimeException", "EPFail", "EngineError", "NotImplemented")
    return (*(getattr(native, name) for name in names), RuntimeError, ValueError, MemoryError)


def new_state() -> Floats:
    """What a stream hands over with its first windows."""
    return np.zeros((2, STATE_SIZE), np.float32)


class SileroModel:
    """Raises VoiceModelMissingError when a package is not installed, VoiceModelFailedError for a run that failed."""

    def __init__(self) -> None:
        if onnxruntime is None:
            raise VoiceModelMissingError("the package onnxruntime is not installed")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        self._session = onnxruntime.InferenceSession(str(_model_file()), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(RATE_HZ, np.int64)
        self._errors = _run_errors()

    def run(self, windows: Floats, states: Floats) -> tuple[list[float], Floats]:
        """Windows (n, 576) of samples within 1, states (2, n, 128) -> the probability of voice in each, states after."""
        inputs = {"input": windows, "state": states, "sr": self._rate}
        try:
            probabilities, after = self._session.run(None, inputs)
        except self._errors as error:
            raise VoiceModelFailedError(f"the voice model failed: {type(error).__name__}") from error
        return probabilities[:, 0].tolist(), after

    def warm_up(self) -> None:
        for size in _WARM_UP_BATCHES:
            self.run(np.zeros((size, INPUT_SAMPLES), np.float32), np.zeros((2, size, STATE_SIZE), np.float32))


def _model_file() -> Path:
    """Found without importing the package: its first line would load torch."""
    found = find_spec("silero_vad")
    if found is None or found.origin is None:
        raise VoiceModelMissingError("the package silero-vad is not installed")
    file = Path(found.origin).parent / "data" / _FILE
    if not file.is_file():
        raise VoiceModelMissingError(f"the package silero-vad holds no {_FILE}")
    return file
