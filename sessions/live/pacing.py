"""How far ahead of play-out speech may run: pure arithmetic on times that are handed in."""

MAX_LEAD_MS = 2_000.0


class PlayOut:
    """What the client has of one item's audio, and how much of it has been heard.

    Without reports the client is taken to play from the first chunk on without a pause. All times are milliseconds:
    `now_ms` of the session's clock, the others of the item's audio.
    """

    def __init__(self, max_lead_ms: float = MAX_LEAD_MS) -> None:
        self._max_lead_ms = max_lead_ms
        self._sent_ms = 0.0
        self._runs_dry_at_ms = 0.0
        self._reported_ms: float | None = None
        self._held_at_ms: float | None = None

    @property
    def sent_ms(self) -> float:
        return self._sent_ms

    def sent(self, duration_ms: float, now_ms: float) -> None:
        self._sent_ms += duration_ms
        self._runs_dry_at_ms = max(self._runs_dry_at_ms, now_ms) + duration_ms

    def take_up(self, sent_ms: float) -> None:
        """Another process had sent this much; it has been heard."""
        self._sent_ms = sent_ms

    def repeated(self, duration_ms: float, now_ms: float) -> None:
        """The client gets this much once more, because it had not come; it plays it now."""
        self._runs_dry_at_ms = max(self._runs_dry_at_ms, now_ms) + duration_ms

    def reported(self, played_ms: float, now_ms: float) -> None:
        """The client's own word counts from now on; it may not run ahead of what was sent, nor back."""
        played = min(max(played_ms, self._reported_ms or 0.0), self._sent_ms)
        self._reported_ms = played
        playing_until_ms = now_ms if self._held_at_ms is None else self._held_at_ms
        self._runs_dry_at_ms = playing_until_ms + (self._sent_ms - played)

    def hold(self, now_ms: float) -> None:
        """The client stops where it is; until `resume` nothing more is heard."""
        self._held_at_ms = self._held_at_ms or now_ms

    def resume(self, now_ms: float) -> None:
        if self._held_at_ms is not None:
            self._runs_dry_at_ms += now_ms - self._held_at_ms
            self._held_at_ms = None

    def lead_ms(self, now_ms: float) -> float:
        playing_until_ms = now_ms if self._held_at_ms is None else self._held_at_ms
        return max(0.0, self._runs_dry_at_ms - playing_until_ms)

    def heard_ms(self, now_ms: float) -> float:
        if self._reported_ms is not None:
            return self._reported_ms
        return max(0.0, self._sent_ms - self.lead_ms(now_ms))

    def wait_ms(self, now_ms: float) -> float:
        """How long the next chunk must still wait; 0 when it may leave."""
        return max(0.0, self.lead_ms(now_ms) - self._max_lead_ms)

    def ends_at_ms(self) -> float:
        return self._runs_dry_at_ms
