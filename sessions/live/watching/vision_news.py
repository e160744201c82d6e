"""What the client is told of the agent's eyes: how often to send, how much may be seen, and why that has changed."""

from collections.abc import Callable

from sessions.live import facts
from workers.language_model.contract import FrameSource
from workers.vision.budget import BudgetStep

SHORTEST_PAUSE_MS = 1_000.0
WORTH_TELLING_SHARE = 0.2

STEP_TEXTS: dict[BudgetStep, str] = {
    "full": "the agent sees as much as before again",
    "slower": "the agent looks less often, to stay within the budget for pictures",
    "fewer": "the agent is shown fewer pictures, to stay within the budget for pictures",
    "mosaic": "the agent is shown one small overview only, to stay within the budget for pictures",
    "none": "the agent sees nothing for now: the budget for pictures is used up",
}

Intervals = dict[FrameSource, int]


class VisionNews:
    """One per session. A shorter interval is told at once, since frames are wanted; a longer one once a second at most."""

    def __init__(self, deliver: Callable[[facts.Fact], None]) -> None:
        self._deliver = deliver
        self._told: Intervals = {}
        self._told_ms = 0
        self._told_at_ms = -SHORTEST_PAUSE_MS
        self.budget: BudgetStep = "full"

    @property
    def interval_ms(self) -> int:
        return self._told_ms

    def intervals(self, usual_ms: int, by_source: Intervals, now_ms: float) -> None:
        """`usual_ms` holds for a source that is not shown yet; 0: send nothing."""
        shortest_ms = min(by_source.values(), default=usual_ms)
        if self._is_news(shortest_ms, by_source, now_ms):
            self._told, self._told_ms, self._told_at_ms = dict(by_source), shortest_ms, now_ms
            self._deliver(self._vision())

    def step(self, now: BudgetStep) -> None:
        self.budget = now
        self._deliver(facts.Noticed(f"vision_budget_{now}", STEP_TEXTS[now]))
        self._deliver(self._vision())

    def used(
        self,
        reply_id: str,
        frames: tuple[facts.FrameTold, ...],
        tokens: int,
        cost_usd: float | None,
        *,
        is_estimate: bool,
    ) -> None:
        self._deliver(self._vision(reply_id, frames, tokens, cost_usd, is_estimate))

    def _vision(
        self,
        reply_id: str | None = None,
        frames: tuple[facts.FrameTold, ...] = (),
        tokens: int = 0,
        cost_usd: float | None = None,
        is_estimate: bool = True,
    ) -> facts.VisionChanged:
        told = tuple(self._told.items())
        return facts.VisionChanged(self._told_ms, told, self.budget, reply_id, frames, tokens, cost_usd, is_estimate)

    def _is_news(self, shortest_ms: int, by_source: Intervals, now_ms: float) -> bool:
        before = [self._told_ms, *(self._told.get(source, self._told_ms) for source in by_source)]
        after = [shortest_ms, *by_source.values()]
        if self._told_at_ms < 0 or any((old == 0) != (new == 0) for old, new in zip(before, after, strict=True)):
            return True
        worth = [abs(new - old) > old * WORTH_TELLING_SHARE for old, new in zip(before, after, strict=True)]
        is_shorter = any(new < old * (1 - WORTH_TELLING_SHARE) for old, new in zip(before, after, strict=True))
        return any(worth) and (is_shorter or now_ms - self._told_at_ms >= SHORTEST_PAUSE_MS)
