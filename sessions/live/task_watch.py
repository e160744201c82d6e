"""When a task of a reply counts as lost: nothing was heard of it for too long. Pure: times are handed in."""

from workers.streams.keys import SILENT_TASK_SECONDS

SILENT_MS = SILENT_TASK_SECONDS * 1_000
SECOND_ATTEMPT_MS = 6_000.0
"""A second attempt may have to wait for a worker that is just starting; its user has been told already."""


class TaskWatch:
    """The running tasks of one reply by name; each sign of life renews its time."""

    def __init__(self) -> None:
        self._dead_at_ms: dict[int, float] = {}

    def begin(self, sentence_index: int, now_ms: float, attempt: int) -> None:
        self._dead_at_ms[sentence_index] = now_ms + (SILENT_MS if attempt == 0 else SECOND_ATTEMPT_MS)

    def sign(self, sentence_index: int, now_ms: float) -> None:
        if sentence_index in self._dead_at_ms:
            self._dead_at_ms[sentence_index] = now_ms + SILENT_MS

    def end(self, sentence_index: int) -> None:
        self._dead_at_ms.pop(sentence_index, None)

    def lost(self, now_ms: float) -> list[int]:
        """The tasks that are overdue, each named once."""
        overdue = [index for index, dead_at_ms in self._dead_at_ms.items() if now_ms >= dead_at_ms]
        for index in overdue:
            del self._dead_at_ms[index]
        return overdue
