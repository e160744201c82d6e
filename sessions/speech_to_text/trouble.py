"""When the client is told that nothing is heard: after two failed tries, or when mending takes longer than it may."""

import asyncio
from collections.abc import Callable

from sessions.speech_to_text.transcribe_events import STALE_CREDENTIALS
from workers.errors import ProviderError, ProviderThrottledError, ProviderTimeoutError

TOLD_AFTER_FAILURES = 2
"""The first break is mended without a word; the client hears of it when mending fails."""
STEADY_SECONDS = 10.0
"""A stream that lived so long was no failed try, though it heard nothing."""
SETTLED_SECONDS = 1.0
"""Services refuse a stream after they opened it: one that lived so long was not refused."""


class Trouble:
    """From the moment a stream is wanted until one works: once told, nothing more is said of it."""

    def __init__(self, told_after_seconds: float, tell: Callable[[ProviderError], None]) -> None:
        self._told_after_seconds = told_after_seconds
        self._tell_client = tell
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._is_told = False
        self._last_error: ProviderError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._opened_at: float | None = None
        self.failures = 0

    def begin(self) -> None:
        """A stream is wanted. Called again, the time goes on from the first call."""
        now = self._loop.time()
        if self._since is None:
            self._since = now
        self._set_timer(max(0.0, self._since + self._told_after_seconds - now), self._overdue)

    def opened(self) -> None:
        self._opened_at = self._loop.time()
        self._set_timer(SETTLED_SECONDS, self._settled)

    def failed(self, error: ProviderError) -> None:
        self._last_error = error
        opened_at, self._opened_at = self._opened_at, None
        was_steady = opened_at is not None and self._loop.time() - opened_at >= STEADY_SECONDS
        self.failures = 1 if was_steady else self.failures + 1
        mends_itself = isinstance(error, ProviderThrottledError) or error.code == STALE_CREDENTIALS
        if not error.retriable or (self.failures >= TOLD_AFTER_FAILURES and not mends_itself):
            self.tell(error)
        else:
            self.begin()

    def tell(self, error: ProviderError) -> None:
        if not self._is_told:
            self._is_told = True
            self._tell_client(error)

    def over(self) -> None:
        """Words were heard, or nobody listens any more."""
        self._settled()
        self.failures = 0

    def _settled(self) -> None:
        self._stop_timer()
        self._since, self._is_told, self._last_error = None, False, None

    def _overdue(self) -> None:
        self._timer = None
        self.tell(self._last_error or ProviderTimeoutError("speech recognition is slow to answer", code="stt_slow"))

    def _set_timer(self, delay_seconds: float, act: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_seconds, act)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
