"""A session's sound on its way to speech-to-text, kept until its words are final so that another stream can hear it again."""

import asyncio
from collections import deque


class ReplayAudio:
    """Positions are bytes since the session's first sample. What was sent is kept up to `sent_bytes`, in all `max_bytes`."""

    def __init__(self, sent_bytes: int, max_bytes: int) -> None:
        self._sent_bytes = sent_bytes
        self._max_bytes = max_bytes
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._changed = asyncio.Event()
        self._sent_until = 0
        self.end = 0
        self.lost_bytes = 0

    @property
    def start(self) -> int:
        return self._pieces[0][0] if self._pieces else self.end

    def add(self, pcm: bytes) -> None:
        self._pieces.append((self.end, pcm))
        self.end += len(pcm)
        while self.end - self.start > self._max_bytes or self._oldest_is_sent_long_ago():
            start, oldest = self._pieces.popleft()
            self.lost_bytes += max(0, start + len(oldest) - max(start, self._sent_until))
        self._changed.set()

    def piece_at(self, position: int) -> tuple[int, bytes]:
        """The rest of the piece that holds `position`, and where it begins: later, when what was there is gone."""
        for start, pcm in reversed(self._pieces):
            if start <= position:
                rest = pcm[position - start :]
                return position, rest
        return self._pieces[0] if self._pieces else (self.end, b"")

    def sent(self, until: int) -> None:
        self._sent_until = max(self._sent_until, until)

    def piece_start(self, position: int) -> int:
        """Where the piece that holds `position` begins: chunks stay whole when they are sent again."""
        for start, _ in reversed(self._pieces):
            if start <= position:
                return start
        return self.start

    def drop_before(self, position: int) -> None:
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= position:
            self._pieces.popleft()

    def clear(self) -> None:
        self._pieces.clear()
        self._sent_until = self.end

    def wake(self) -> None:
        """Whoever waits looks again at what it waits for."""
        self._changed.set()

    async def wait(self) -> None:
        """Until something was added, or `wake` was called."""
        self._changed.clear()
        await self._changed.wait()

    def _oldest_is_sent_long_ago(self) -> bool:
        start, oldest = self._pieces[0]
        end = start + len(oldest)
        return end <= self._sent_until and self._sent_until - start > self._sent_bytes
