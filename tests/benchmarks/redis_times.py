"""When each step of a turn passed through Redis: MONITOR's lines on the machine's monotonic clock."""

import threading
import time
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import redis

from tests.benchmarks.turns import Timed
from tests.house import House

# A step is named by what ends it; each line is (name, word of the command that ends it).
STEPS = (
    "final -> reply handed to its task",
    "-> Bedrock request",
    "sentence sent -> handed to its speech task",
    "-> Polly request",
    "Polly byte -> on the output stream",
    "-> client byte",
)
_MARKS = ("RPUSH nova:reply:", "sentence_written", "speech_made")


class RedisTimes:
    """`with RedisTimes(house) as times:`; afterwards `spans` of any turn that ran meanwhile."""

    def __init__(self, house: House) -> None:
        self._client = redis.Redis.from_url(house.redis_url, socket_timeout=None)
        self._marks: list[tuple[float, int]] = []
        self._has_begun = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._has_begun.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._client.set("bench:end", "1")
        self._thread.join(5)
        self._client.close()

    def spans(self, turn: Timed) -> dict[str, float]:
        """Milliseconds of each step; empty when a mark is missing."""
        seen = [self._first_after(mark, turn.final_ms - 5) for mark in range(len(_MARKS))]
        if any(at_ms is None or at_ms > turn.heard_ms + 5 for at_ms in seen):
            return {}
        asked, sentence, made = seen
        points = (
            (turn.final_ms, asked, turn.model_asked_ms),
            (turn.sentence_sent_ms, sentence, turn.speech_asked_ms),
            (turn.speech_sent_ms, made, turn.heard_ms),
        )
        return dict(zip(STEPS, (span for leg in points for span in _gaps(leg)), strict=True))

    def _first_after(self, mark: int, at_ms: float) -> float | None:
        return next((seen_ms for seen_ms, seen in self._marks if seen == mark and seen_ms >= at_ms), None)

    def _watch(self) -> None:
        offset_ms = (time.time() - time.monotonic()) * 1_000
        client: Any = self._client  # redis-py gives MONITOR no types
        with client.monitor() as monitor:
            self._has_begun.set()
            for line in monitor.listen():
                if self._is_over:
                    return
                self._note(line, offset_ms)

    def _note(self, line: Any, offset_ms: float) -> None:
        command = line["command"][:400]
        for mark, word in enumerate(_MARKS):
            if word in command:
                self._marks.append((line["time"] * 1_000 - offset_ms, mark))
                return


def _gaps(points: Any) -> list[float]:
    return [later - earlier for earlier, later in pairwise(points)]
