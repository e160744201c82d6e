"""When a listener who waits for a reply is told so, and when a phrase bridges the silence. Pure: times are handed in."""

DELAY_TOLD_MS = 2_250.0
"""With the check four times a second the client hears of it within 2.5 s."""


class Patience:
    """One per reply. `filler_ms`: how long the first sound may take before a phrase bridges it; 0: for ever."""

    def __init__(self, asked_ms: float, filler_ms: float) -> None:
        self._awaited_since_ms = asked_ms
        self._told_ms = asked_ms
        self._filler_ms = filler_ms

    def begin(self, now_ms: float) -> None:
        """Only now somebody waits."""
        self._awaited_since_ms = self._told_ms = now_ms

    def is_news_due(self, now_ms: float, sound_ends_ms: float) -> bool:
        """Again and again, as long as the silence lasts; each time once."""
        is_due = now_ms - max(sound_ends_ms, self._told_ms) >= DELAY_TOLD_MS
        if is_due:
            self._told_ms = now_ms
        return is_due

    def is_phrase_due(self, now_ms: float) -> bool:
        return bool(self._filler_ms) and now_ms - self._awaited_since_ms >= self._filler_ms
