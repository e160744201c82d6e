"""What a web process's sessions need to count their costs: prices, who serves, what has been spent today, what may be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from sessions.live.budget import BudgetLimits
from sessions.live.usage import AWS, Providers
from workers.prices import BUILT_IN, PriceTable

AMAZON = Providers(AWS, AWS, AWS)


class Spending(Protocol):
    """What the site and each owner have spent today, this process's newest spendings included; memory only."""

    def add(self, owner: str, usd: Decimal) -> None:
        """May be negative: an estimate was too high."""
        ...

    def of_owner(self, owner: str) -> Decimal: ...

    @property
    def of_site(self) -> Decimal: ...


class NoSpending:
    of_site = Decimal(0)

    def add(self, owner: str, usd: Decimal) -> None:
        pass

    def of_owner(self, owner: str) -> Decimal:
        return Decimal(0)


def _no_limits(owner: str) -> BudgetLimits:
    return BudgetLimits()


def _nobody(session_id: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Accounts:
    """`limits_of(owner)` answers from memory. `on_spent(session_id)`: the session must end; it has told its client."""

    prices: PriceTable = BUILT_IN
    providers: Providers = AMAZON
    described: dict[str, Any] = field(default_factory=dict)
    """What else is noted of a session's set-up: the same for all of this process."""
    spending: Spending = field(default_factory=NoSpending)
    limits_of: Callable[[str], BudgetLimits] = _no_limits
    on_spent: Callable[[str], None] = _nobody
