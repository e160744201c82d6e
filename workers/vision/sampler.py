"""When the next frame of one source is worth taking: by time alone, which what was seen shortens and lengthens. Pure."""

from dataclasses import dataclass
from typing import Final

from workers.vision.signature import SCENE_CHANGE

EARLY_SHARE: Final = 0.8
"""A frame that comes a little before its time is taken: client timers jitter."""
MOTION: Final = 0.02
"""At least so much of a picture changes when something moves in it."""
_FASTER: Final = 0.5
_SLOWER: Final = 1.25
_MAX_SLOWING: Final = 16.0


@dataclass(frozen=True, slots=True)
class SamplerBounds:
    """`start_ms` is the interval before anything was seen, and the longest one while the user speaks."""

    start_ms: float = 500.0
    fastest_ms: float = 250.0
    slowest_ms: float = 4_000.0

    def __post_init__(self) -> None:
        if not 0 < self.fastest_ms <= self.start_ms <= self.slowest_ms:
            raise ValueError("the bounds must be 0 < fastest <= start <= slowest")


class Sampler:
    """One per source. Never asks for more than one frame in `fastest_ms`, whatever happens."""

    def __init__(self, bounds: SamplerBounds) -> None:
        self._bounds = bounds
        self._seen_ms = bounds.start_ms
        self._slowing = 1.0
        self._is_user_speaking = False
        self._is_wanted_now = True
        self._taken_at_ms: float | None = None

    @property
    def interval_ms(self) -> float:
        """In force now; worth telling the client when it has changed."""
        bounds = self._bounds
        interval_ms = min(self._seen_ms, bounds.start_ms) if self._is_user_speaking else self._seen_ms
        return min(bounds.slowest_ms * self._slowing, max(bounds.fastest_ms, interval_ms * self._slowing))

    def wants(self, now_ms: float) -> bool:
        """Whether a frame that came now is to be taken; the caller then says `took`."""
        if self._taken_at_ms is None:
            return True
        wait_ms = self._bounds.fastest_ms if self._is_wanted_now else self.interval_ms
        return now_ms - self._taken_at_ms >= wait_ms * EARLY_SHARE

    def took(self, now_ms: float) -> None:
        self._taken_at_ms = now_ms
        self._is_wanted_now = False

    def saw(self, change: float) -> None:
        """The worker's measure of a frame taken before: 0 the same picture, 1 another one."""
        if change >= SCENE_CHANGE:
            self._seen_ms = self._bounds.fastest_ms
            self._is_wanted_now = True
        elif change >= MOTION:
            self._seen_ms = max(self._bounds.fastest_ms, self._seen_ms * _FASTER)
        else:
            self._seen_ms = min(self._bounds.slowest_ms, self._seen_ms * _SLOWER)

    def turn_began(self) -> None:
        """The user speaks: the next frame is taken at once."""
        self._is_user_speaking = True
        self._is_wanted_now = True

    def turn_ended(self) -> None:
        self._is_user_speaking = False

    def slow_down(self, factor: float) -> None:
        """As the budget asks; 1 is its normal pace."""
        self._slowing = min(_MAX_SLOWING, max(1.0, factor))
