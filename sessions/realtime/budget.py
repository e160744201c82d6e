"""What one socket may send in a time: pure arithmetic on the times it is given; closes nothing itself."""

from collections import deque
from dataclasses import dataclass, field

from sessions.realtime import limits


@dataclass(slots=True)
class Bucket:
    """Starts full; `take` fails, and takes nothing, when less is left than asked for."""

    capacity: float
    refill_per_second: float
    level: float = field(init=False)
    _filled_at_seconds: float | None = None

    def __post_init__(self) -> None:
        self.level = self.capacity

    def take(self, amount: float, now_seconds: float) -> bool:
        if self._filled_at_seconds is not None:
            passed_seconds = max(0.0, now_seconds - self._filled_at_seconds)
            self.level = min(self.capacity, self.level + passed_seconds * self.refill_per_second)
        self._filled_at_seconds = now_seconds
        if amount > self.level:
            return False
        self.level -= amount
        return True


class InboundBudget:
    """Each method answers whether the socket may go on; all times come from one monotonic clock."""

    def __init__(self) -> None:
        self._bytes = Bucket(limits.INBOUND_BURST_BYTES, limits.INBOUND_BYTES_PER_SECOND)
        self._messages = Bucket(limits.INBOUND_BURST_MESSAGES, limits.INBOUND_MESSAGES_PER_SECOND)
        self._audio_seconds = Bucket(limits.AUDIO_BURST_SECONDS, limits.AUDIO_SPEED_LIMIT)
        self._bad_at_seconds: deque[float] = deque(maxlen=limits.BAD_MESSAGES_LIMIT)

    def allows_bytes(self, size_bytes: int, now_seconds: float) -> bool:
        return self._bytes.take(size_bytes, now_seconds)

    def allows_message(self, now_seconds: float) -> bool:
        """For everything but audio, which has a budget of its own."""
        return self._messages.take(1, now_seconds)

    def allows_audio(self, duration_seconds: float, now_seconds: float) -> bool:
        return self._audio_seconds.take(max(duration_seconds, limits.AUDIO_MESSAGE_MIN_SECONDS), now_seconds)

    def allows_bad_message(self, now_seconds: float) -> bool:
        bad = self._bad_at_seconds
        bad.append(now_seconds)
        is_full = len(bad) == limits.BAD_MESSAGES_LIMIT
        return not (is_full and now_seconds - bad[0] <= limits.BAD_MESSAGES_WINDOW_SECONDS)
