"""What may be spent and what is to be saved as the end comes near: pure; saves in steps before anything is cut off."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from sessions.live.config import SessionConfig

Step = Literal["free", "short", "blind", "spent"]
SHORT_SHARE = Decimal("0.8")
BLIND_SHARE = Decimal("0.9")
SHORT_REPLY_TOKENS = 120
BRIEFLY = "Answer in one or two short sentences."


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """USD; None: no limit. The day is UTC's; `owner` is an API key or a signed-in user."""

    session_usd: Decimal | None = None
    owner_day_usd: Decimal | None = None
    day_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    session_usd: Decimal = Decimal(0)
    owner_day_usd: Decimal = Decimal(0)
    day_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """`which` budget is nearest to its end, and the share of it that is spent."""

    step: Step = "free"
    which: Literal["session", "key", "site"] = "session"
    share: Decimal = Decimal(0)


def budget_state(limits: BudgetLimits, spent: Spent) -> BudgetState:
    """`short`: brief replies and no speculation, from 80 %; `blind`: no pictures either, from 90 %; `spent`: the end."""
    shares = (
        BudgetState("free", "session", _share(spent.session_usd, limits.session_usd)),
        BudgetState("free", "key", _share(spent.owner_day_usd, limits.owner_day_usd)),
        BudgetState("free", "site", _share(spent.day_usd, limits.day_usd)),
    )
    nearest = max(shares, key=lambda state: state.share)
    return replace(nearest, step=_step(nearest.share))


def _share(spent_usd: Decimal, limit_usd: Decimal | None) -> Decimal:
    return spent_usd / limit_usd if limit_usd else Decimal(0)


def _step(share: Decimal) -> Step:
    if share >= 1:
        return "spent"
    if share >= BLIND_SHARE:
        return "blind"
    return "short" if share >= SHORT_SHARE else "free"


def saving(config: SessionConfig, step: Step) -> SessionConfig:
    """The configuration as it is lived while something is to be saved; the client's own stays what it was."""
    if step == "free":
        return config
    model = replace(config.model, max_tokens=min(config.model.max_tokens, SHORT_REPLY_TOKENS))
    instructions = f"{config.instructions}\n\n{BRIEFLY}".strip()
    turns = replace(config.turns, speculation=False)
    saved = replace(config, model=model, turns=turns, instructions=instructions)
    return saved if step == "short" else replace(saved, vision=replace(config.vision, enabled=False))
