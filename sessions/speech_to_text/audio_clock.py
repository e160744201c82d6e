"""Turns the service's times, which count our keep-alive silence, into times of the client's audio; pure."""

from bisect import bisect_right

BYTES_PER_SAMPLE = 2


class AudioClock:
    """Knows how much was sent and where silence was put in between."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._bytes_per_ms = sample_rate_hz * BYTES_PER_SAMPLE / 1000
        self._sent_ms = 0.0
        self._silence_starts_ms: list[float] = []
        self._silence_lengths_ms: list[float] = []
        self._silence_before_ms: list[float] = []

    @property
    def sent_seconds(self) -> float:
        return self._sent_ms / 1_000

    def add_audio(self, size_bytes: int) -> None:
        self._sent_ms += size_bytes / self._bytes_per_ms

    def add_silence(self, size_bytes: int) -> None:
        """Silence right after silence counts as one, so a client that is away for hours costs no memory."""
        length_ms = size_bytes / self._bytes_per_ms
        if self._silence_starts_ms and self._is_end_of_silence():
            self._silence_lengths_ms[-1] += length_ms
        else:
            last_ms = self._silence_lengths_ms[-1] if self._silence_lengths_ms else 0.0
            before_ms = self._silence_before_ms[-1] if self._silence_before_ms else 0.0
            self._silence_before_ms.append(before_ms + last_ms)
            self._silence_starts_ms.append(self._sent_ms)
            self._silence_lengths_ms.append(length_ms)
        self._sent_ms += length_ms

    def client_ms(self, service_ms: float) -> int:
        """Milliseconds of the client's audio at a time the service names; inside silence, where it began."""
        last = bisect_right(self._silence_starts_ms, service_ms) - 1
        if last < 0:
            return max(0, round(service_ms))
        within_ms = min(self._silence_lengths_ms[last], service_ms - self._silence_starts_ms[last])
        return max(0, round(service_ms - self._silence_before_ms[last] - within_ms))

    def _is_end_of_silence(self) -> bool:
        end_ms = self._silence_starts_ms[-1] + self._silence_lengths_ms[-1]
        return abs(end_ms - self._sent_ms) < 1e-6
