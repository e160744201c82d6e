"""What a session's eyes may still spend, and how they see less before they see nothing. Pure, time as an argument."""

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

BudgetStep = Literal["full", "slower", "fewer", "mosaic", "none"]

MINUTE_MS: Final = 60_000.0
MAX_OPEN_REQUESTS: Final = 32
MAX_RECENT_REQUESTS: Final = 1_024
_STEPS: Final[tuple[tuple[float, BudgetStep, float], ...]] = (
    (0.50, "full", 1.0),
    (0.70, "slower", 2.0),
    (0.85, "fewer", 3.0),
    (1.00, "mosaic", 4.0),
)
_CUT_OFF_FACTOR: Final = 8.0
_LEARNING: Final = 0.3
_FACTOR_BOUNDS: Final = (0.25, 4.0)


@dataclass(frozen=True, slots=True)
class VisionLimits:
    """None: no limit. Tokens are those of pictures alone; `usd_per_session` needs a price to have an effect."""

    tokens_per_minute: int | None = None
    tokens_per_session: int | None = None
    usd_per_session: float | None = None


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """`share_used` is that of the limit nearest to its end; `interval_factor` is for the sampler.

    full: everything; slower: frames at longer intervals; fewer: the newest of each source and one mosaic of fewer
    cells; mosaic: one picture in all; none: no picture until the minute has passed, or none any more.
    """

    step: BudgetStep
    interval_factor: float
    share_used: float


@dataclass(slots=True)
class _Spending:
    at_ms: float
    picture_tokens: float
    text_tokens: int


class VisionBudget:
    """One per session. Requests are booked by estimate when they leave, and set right by the usage that comes back."""

    def __init__(
        self, limits: VisionLimits, *, usd_per_million_tokens: float | None = None, is_flat_rate: bool = False
    ) -> None:
        """`is_flat_rate`: the model bills a picture at a fixed rate, which the usage it returns does not show."""
        self._limits = limits
        self._usd_per_token = (usd_per_million_tokens or 0.0) / 1_000_000
        self._is_flat_rate = is_flat_rate
        self._open: dict[str, _Spending] = {}
        self._recent: deque[_Spending] = deque(maxlen=MAX_RECENT_REQUESTS)
        self._settled_tokens = 0.0
        self._picture_factor = 1.0
        self._text_factor = 1.0

    @property
    def tokens_used(self) -> int:
        return round(self._settled_tokens + sum(spending.picture_tokens for spending in self._open.values()))

    @property
    def usd_used(self) -> float:
        return self.tokens_used * self._usd_per_token

    @property
    def picture_factor(self) -> float:
        """What the service counts for an estimated token of a picture; learned from its answers."""
        return self._picture_factor

    def plan(self, now_ms: float) -> BudgetPlan:
        share = max(self._shares(now_ms))
        for below, step, factor in _STEPS:
            if share < below:
                return BudgetPlan(step, factor, share)
        return BudgetPlan("none", _CUT_OFF_FACTOR, share)

    def affords(self, picture_tokens: int, now_ms: float) -> bool:
        """Whether so many more estimated tokens end below every limit."""
        more = picture_tokens * self._picture_factor
        return max(self._shares(now_ms, more)) <= 1.0

    def expect(self, reply_id: str, picture_tokens: int, text_tokens: int, now_ms: float) -> None:
        """A request leaves. Book those without pictures too: they teach what the estimate of text is worth.

        An id that is open already is another attempt: both are paid.
        """
        self.settle(reply_id, None)
        if len(self._open) >= MAX_OPEN_REQUESTS:
            self.settle(next(iter(self._open)), None)
        spending = _Spending(now_ms, picture_tokens * self._picture_factor, text_tokens)
        self._open[reply_id] = spending
        self._recent.append(spending)

    def settle(self, reply_id: str, input_tokens: int | None) -> None:
        """The service's count of the whole request, or None when it told none: then the estimate stands."""
        spending = self._open.pop(reply_id, None)
        if spending is None:
            return
        if input_tokens:
            self._learn(spending, input_tokens)
        self._settled_tokens += spending.picture_tokens

    def drop(self, reply_id: str) -> None:
        """The request never left."""
        spending = self._open.pop(reply_id, None)
        if spending is not None:
            spending.picture_tokens = 0.0

    def _learn(self, spending: _Spending, input_tokens: int) -> None:
        if self._is_flat_rate:
            return
        if not spending.picture_tokens:
            if spending.text_tokens:
                self._text_factor = _towards(self._text_factor, input_tokens / spending.text_tokens)
            return
        expected = spending.picture_tokens
        counted = _bounded(input_tokens - spending.text_tokens * self._text_factor, expected)
        self._picture_factor = _towards(self._picture_factor, self._picture_factor * counted / expected)
        spending.picture_tokens = counted

    def _shares(self, now_ms: float, more_tokens: float = 0.0) -> tuple[float, ...]:
        """Of each limit; what was booked more than a minute ago is forgotten for the minute's."""
        while self._recent and now_ms - self._recent[0].at_ms >= MINUTE_MS:
            self._recent.popleft()
        in_minute = sum(spending.picture_tokens for spending in self._recent) + more_tokens
        in_session = self.tokens_used + more_tokens
        limits = self._limits
        return (
            _share(in_minute, limits.tokens_per_minute),
            _share(in_session, limits.tokens_per_session),
            _share(in_session * self._usd_per_token, limits.usd_per_session),
        )


def _share(used: float, limit: float | None) -> float:
    if limit is None:
        return 0.0
    return used / limit if limit > 0 else 1.0


def _bounded(counted: float, expected: float) -> float:
    """A count that text estimates have made absurd is held within what a wrong table can explain."""
    low, high = _FACTOR_BOUNDS
    return min(expected * high, max(expected * low, counted))


def _towards(factor: float, observed: float) -> float:
    low, high = _FACTOR_BOUNDS
    return min(high, max(low, factor + (observed - factor) * _LEARNING))
