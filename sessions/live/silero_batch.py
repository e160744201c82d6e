"""Collects the windows of all streams of a process into batches for the voice model; judges nothing itself."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import structlog

from sessions.live.silero_model import Floats, VoiceModelFailedError

logger = structlog.get_logger(__name__)

COLLECT_SECONDS: Final = 0.010
LARGEST_BATCH: Final = 16
"""Streams; beyond that a window costs no less, and other work on the loop would wait longer (1 ms for each window)."""
_LOAD_MEMORY_SECONDS: Final = 0.2
_BUSY_LOAD: Final = 40.0
"""Requests in the remembered time from which on waiting brings company: 200 a second, two in each 10 ms."""


class VoiceModel(Protocol):
    def run(self, windows: Floats, states: Floats) -> tuple[list[float], Floats]:
        """Raises VoiceModelFailedError."""
        ...


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
    """One per process and event loop. The model runs on the loop: in a thread of its own every step of a batch waited for
    Python's lock, and under load the ears of 100 sessions fell behind the clock."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._waiting: deque[_Request] = deque()
        self._is_planned = False
        self._load = 0.0
        self._load_at = 0.0

    async def judge(self, windows: Sequence[Floats], state: Floats) -> Judged:
        """Windows of 576 samples in the order of their sound. Raises VoiceModelFailedError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Judged] = loop.create_future()
        self._waiting.append(_Request(windows, state, answer))
        self._note_load(loop.time())
        if not self._is_planned:
            self._is_planned = True
            loop.call_later(COLLECT_SECONDS if self._load >= _BUSY_LOAD else 0, self._run, loop)
        return await answer

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """What waits beyond one batch has its turn after what else is ready on the loop."""
        requests: list[_Request] = []
        while self._waiting and len(requests) < LARGEST_BATCH:
            request = self._waiting.popleft()
            if not request.answer.done():
                requests.append(request)
        self._is_planned = bool(self._waiting)
        if self._is_planned:
            loop.call_soon(self._run, loop)
        self._answer(requests)

    def _answer(self, requests: list[_Request]) -> None:
        """Whatever happens no stream is left waiting: its ear would be deaf for ever."""
        try:
            answers = judge_together(self._model, [(entry.windows, entry.state) for entry in requests])
            for request, judged in zip(requests, answers, strict=True):
                request.answer.set_result(judged)
        except VoiceModelFailedError:
            logger.exception("voice_model_failed", streams=len(requests))
        finally:
            for request in requests:
                if not request.answer.done():
                    request.answer.set_exception(VoiceModelFailedError("the voice model failed"))

    def _note_load(self, now_seconds: float) -> None:
        kept = math.exp((self._load_at - now_seconds) / _LOAD_MEMORY_SECONDS)
        self._load = self._load * kept + 1
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
