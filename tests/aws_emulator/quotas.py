"""Owns the counting behind throttling: a rate a second; decides, never answers."""

import time


class Rate:
    """A token bucket of one second's worth, as the services' burst of a second."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._limit: float | None = None
        self._at_seconds = time.monotonic()

    def allows(self, limit_per_second: float | None) -> bool:
        if limit_per_second is None:
            return True
        now_seconds = time.monotonic()
        if limit_per_second != self._limit:
            self._limit, self._tokens = limit_per_second, limit_per_second
        gained = (now_seconds - self._at_seconds) * limit_per_second
        self._tokens = min(max(limit_per_second, 1.0), self._tokens + gained)
        self._at_seconds = now_seconds
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
