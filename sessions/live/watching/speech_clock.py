"""When the user spoke, on the clock of the frames: the client's clock and the session's begin at different times. Pure."""

from workers.vision.choice import Window

LONGEST_BEFORE_MS = 30_000.0
"""Speech that ended longer ago belongs to a turn that is over."""


class SpeechClock:
    """One per session. Times without a name are the session's milliseconds."""

    def __init__(self) -> None:
        self._offset_ms = 0.0
        self._began_ms: float | None = None
        self._ended_ms: float | None = None
        self.first_captured_at_ms = 0
        """When the session's first picture was taken; times shown to the model count from it."""

    def noticed(self, captured_at_ms: int, now_ms: float) -> None:
        self._offset_ms = captured_at_ms - now_ms
        self.first_captured_at_ms = self.first_captured_at_ms or captured_at_ms

    def speech_began(self, now_ms: float) -> None:
        """A pause within a turn does not begin the speech again."""
        if self._began_ms is None:
            self._began_ms = now_ms
        self._ended_ms = None

    def speech_ended(self, now_ms: float) -> None:
        self._ended_ms = now_ms

    @property
    def is_paused(self) -> bool:
        """Somebody has spoken and is silent now: the turn may end at any moment."""
        return self._began_ms is not None and self._ended_ms is not None

    def turn_ended(self) -> None:
        self._began_ms = self._ended_ms = None

    def window(self, now_ms: float) -> Window | None:
        """None when nobody has spoken in this turn."""
        if self._began_ms is None:
            return None
        ended_ms = now_ms if self._ended_ms is None else self._ended_ms
        if now_ms - ended_ms > LONGEST_BEFORE_MS:
            return None
        return Window(round(self._began_ms + self._offset_ms), round(ended_ms + self._offset_ms))
