"""What the session's pictures cost: books each request by estimate, sets it right by the bill, and says when to see less."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sessions.live.config import SessionConfig
from sessions.live.facts import TokenUsage
from sessions.live.watching.album import Mosaic
from sessions.live.watching.look import tokens_of
from workers.language_model.model_table import model_facts
from workers.vision.budget import BudgetPlan, BudgetStep, VisionBudget, VisionLimits
from workers.vision.choice import SeenFrame

SIDE_TEXT_TOKENS = 150
"""Of a note or a look in watch mode: their instructions have one length."""
KEPT_ESTIMATES = 64

OnStep = Callable[[BudgetStep], None]


class Spending:
    """One per session, for its model. `on_step` is called when the budget has come to another step."""

    def __init__(self, config: SessionConfig, now_ms: Callable[[], float], on_step: OnStep) -> None:
        vision, self._model_id = config.vision, config.model.model
        limits = VisionLimits(vision.tokens_per_minute, vision.tokens_per_session, vision.usd_per_session)
        is_flat = model_facts(self._model_id).token_rule == "flat"
        self._usd_per_million = vision.usd_per_million_tokens
        self._budget = VisionBudget(limits, usd_per_million_tokens=self._usd_per_million, is_flat_rate=is_flat)
        self._now_ms = now_ms
        self._on_step = on_step
        self._estimates: dict[str, int] = {}
        self.step: BudgetStep = "full"

    def plan(self) -> BudgetPlan:
        """The minute's limit recovers with time, so the plan is asked for again and again."""
        plan = self._budget.plan(self._now_ms())
        if plan.step != self.step:
            self.step = plan.step
            self._on_step(plan.step)
        return plan

    def expect(self, reply_id: str, picture_tokens: int, text_tokens: int) -> None:
        """Once for each request: a speculative reply that is kept was booked when it was begun."""
        if reply_id in self._estimates:
            return
        self._budget.expect(reply_id, picture_tokens, text_tokens, self._now_ms())
        self._estimates[reply_id] = round(picture_tokens * self._budget.picture_factor)
        while len(self._estimates) > KEPT_ESTIMATES:
            del self._estimates[next(iter(self._estimates))]

    def book(self, side_id: str, pictures: Iterable[SeenFrame | Mosaic]) -> None:
        """A request of the agent's own with these pictures leaves."""
        self.expect(side_id, sum(tokens_of(self._model_id, each) for each in pictures), SIDE_TEXT_TOKENS)

    def add(self, work_id: str, frame: SeenFrame) -> int:
        """A picture that joined a request under way. Its tokens, by estimate: the bill is that of the whole request."""
        tokens = tokens_of(self._model_id, frame)
        self.expect(work_id, tokens, 0)
        self._budget.settle(work_id, None)
        return tokens

    def settle(self, reply_id: str, usage: TokenUsage) -> TokenUsage | None:
        """The usage with the pictures' share of it; None for a request without pictures."""
        before, estimate = self._budget.tokens_used, self._estimates.pop(reply_id, 0)
        self._budget.settle(reply_id, usage.input_tokens or None)
        if not estimate:
            return None
        counted = max(0, estimate + self._budget.tokens_used - before)
        return replace(usage, image_tokens=min(counted, usage.input_tokens) if usage.input_tokens else counted)

    def usd(self, tokens: int) -> float | None:
        """None where the price is not known."""
        return None if self._usd_per_million is None else round(tokens * self._usd_per_million / 1_000_000, 6)
