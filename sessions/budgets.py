"""What an owner and the site may spend: from the settings, and refused at the door once it is spent."""

from decimal import Decimal

from sessions.configured import web_settings
from sessions.live.budget import BudgetLimits, Spent, budget_state
from sessions.spending import spent_today
from workers.errors import NovaError


class BudgetSpentError(NovaError):
    code = "10402"


def limits_for(owner: str) -> BudgetLimits:
    """Answers from memory."""
    settings = web_settings()
    return BudgetLimits(
        _limit(settings.budget_session_usd), _limit(settings.budget_key_day_usd), _limit(settings.budget_day_usd)
    )


def refuse_when_spent(owner: str) -> None:
    """Raises BudgetSpentError, StreamsUnavailableError."""
    limits = limits_for(owner)
    if limits.owner_day_usd is None and limits.day_usd is None:
        return
    by_owner, by_site = spent_today(owner)
    state = budget_state(limits, Spent(owner_day_usd=by_owner, day_usd=by_site))
    if state.step == "spent":
        raise BudgetSpentError(f"today's budget of this {state.which} is spent; it begins anew at 00:00 UTC")


def _limit(usd: float) -> Decimal | None:
    return Decimal(str(usd)) if usd > 0 else None
