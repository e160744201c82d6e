"""Collects the windows of all streams of a process into batches for the voice model; judges nothing itself."""

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import structlog

from sessions.live.silero_model import Floats
from workers.errors import NovaError

logger = structlog.get_logger(__name__)

COLLECT_SECONDS: Final = 0.010
_INLINE_WINDOWS: Final = 4
"""Up to here (0.4 ms) the loop waits less for the model than a thread would cost it."""
_LOAD_MEMORY_SECONDS: Final = 0.2
_BUSY_LOAD: Final = 40.0
"""Requests in the remembered time from which on waiting brings company: 200 a second, two in each 10 ms."""


class VoiceModelFailedError(NovaError):
    code = "voice_model_failed"


class VoiceModel(Protocol):
    def run(self, windows: Floats, states: Floats) -> tuple[list[float], Floats]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """`probabilities` of voice, one for each window; `state` is for the stream's next request."""

    probabilities: list[float]
    state: Floats


@dataclass(frozen=True, slots=True)
class _Request:
    windows: Sequence[Floats]
    state: Floats
    answer: "asyncio.Future[Judged]"


class SileroBatch:
    """One per process and event loop. While the model runs in its thread, the next batch gathers."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voice-model")
        self._waiting: list[_Request] = []
        self._is_planned = False
        self._load = 0.0
        self._load_at = 0.0

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def judge(self, windows: Sequence[Floats], state: Floats) -> Judged:
        """Windows of 576 samples in the order of their sound. Raises VoiceModelFailedError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Judged] = loop.create_future()
        self._waiting.append(_Request(windows, state, answer))
        self._plan(loop)
        return await answer

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_planned or not self._waiting:
            return
        self._is_planned = True
        if self._load < _BUSY_LOAD:
            loop.call_soon(self._begin, loop)
        else:
            loop.call_later(COLLECT_SECONDS, self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        requests, self._waiting = [entry for entry in self._waiting if not entry.answer.done()], []
        self._note_load(loop.time(), len(requests))
        if sum(len(entry.windows) for entry in requests) <= _INLINE_WINDOWS:
            self._finish(loop, requests, self._judge_all(requests))
            return
        running = loop.run_in_executor(self._thread, self._judge_all, requests)
        running.add_done_callback(lambda done: self._take(loop, requests, done))

    def _take(
        self, loop: asyncio.AbstractEventLoop, requests: list[_Request], done: "asyncio.Future[list[Judged] | None]"
    ) -> None:
        self._finish(loop, requests, None if done.cancelled() else done.result())

    def _finish(self, loop: asyncio.AbstractEventLoop, requests: list[_Request], answers: list[Judged] | None) -> None:
        self._is_planned = False
        for place, entry in enumerate(requests):
            if entry.answer.done():
                continue
            if answers is None:
                entry.answer.set_exception(VoiceModelFailedError("the voice model failed"))
            else:
                entry.answer.set_result(answers[place])
        self._plan(loop)

    def _judge_all(self, requests: list[_Request]) -> list[Judged] | None:
        try:
            return judge_together(self._model, [(entry.windows, entry.state) for entry in requests])
        except Exception:  # process border: onnxruntime is native code with an exception tree of its own
            logger.exception("voice_model_failed", streams=len(requests))
            return None

    def _note_load(self, now_seconds: float, request_count: int) -> None:
        kept = math.exp((self._load_at - now_seconds) / _LOAD_MEMORY_SECONDS)
        self._load = self._load * kept + request_count
        self._load_at = now_seconds


def judge_together(model: VoiceModel, requests: Sequence[tuple[Sequence[Floats], Floats]]) -> list[Judged]:
    """Step by step: the first window of every stream, then the second of those that have one."""
    if not requests:
        return []
    by_length = sorted(range(len(requests)), key=lambda place: -len(requests[place][0]))
    states = np.stack([requests[place][1] for place in by_length], axis=1)
    probabilities: list[list[float]] = [[] for _ in requests]
    for step in range(len(requests[by_length[0]][0])):
        still = [place for place in by_length if len(requests[place][0]) > step]
        windows = np.concatenate([requests[place][0][step] for place in still]).reshape(len(still), -1)
        found, after = model.run(windows, states[:, : len(still)])
        states[:, : len(still)] = after
        for place, probability in zip(still, found, strict=True):
            probabilities[place].append(probability)
    ends = {place: states[:, row].copy() for row, place in enumerate(by_length)}
    return [Judged(probabilities[place], ends[place]) for place in range(len(requests))]
