"""What the users of running replies have said so far, by transcript id; tasks wait here for words and confirmation."""

import threading
import time
from collections import OrderedDict

from workers.streams import keys
from workers.streams.messages import TranscriptEntry

_RANK = {"partial": 0, "final": 1, "confirmed": 2, "discarded": 2}
MAX_TRANSCRIPTS = 10_000


class _Words:
    def __init__(self) -> None:
        self.entry: TranscriptEntry | None = None
        self.changed = threading.Event()
        self.touched_at = time.monotonic()


class TranscriptTable:
    """Fed by the WordsReader; entries older than 120 s are forgotten, the oldest first."""

    def __init__(self) -> None:
        self._words: OrderedDict[str, _Words] = OrderedDict()

    def apply(self, entry: TranscriptEntry) -> None:
        words = self._entry(entry.transcript_id)
        known = words.entry
        if known is not None and _RANK[known.state] > _RANK[entry.state]:
            return
        words.entry = entry
        words.touched_at = time.monotonic()
        changed, words.changed = words.changed, threading.Event()
        changed.set()
        self._forget_old()

    def wait_for(self, transcript_id: str, states: frozenset[str], timeout_seconds: float) -> TranscriptEntry | None:
        """The entry once it is in one of `states`; None when that does not happen in time."""
        deadline = time.monotonic() + timeout_seconds
        words = self._entry(transcript_id)
        while True:
            entry, changed = words.entry, words.changed
            if entry is not None and entry.state in states:
                return entry
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not changed.wait(remaining):
                return None

    def _entry(self, transcript_id: str) -> _Words:
        if transcript_id not in self._words:
            self._words[transcript_id] = _Words()
        return self._words[transcript_id]

    def _forget_old(self) -> None:
        oldest_allowed = time.monotonic() - keys.REMEMBERED_SECONDS
        while self._words:
            transcript_id, words = next(iter(self._words.items()))
            if words.touched_at > oldest_allowed and len(self._words) <= MAX_TRANSCRIPTS:
                return
            del self._words[transcript_id]
