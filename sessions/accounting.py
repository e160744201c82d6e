"""Puts together what this process's sessions count their costs with."""

from collections.abc import Callable
from dataclasses import asdict

from sessions.budgets import limits_for
from sessions.live.accounts import Accounts, Spending
from sessions.settings import WebSettings
from workers.prices import price_table


def make_accounts(settings: WebSettings, spending: Spending, on_spent: Callable[[str], None]) -> Accounts:
    """Raises ConfigurationError when NOVA_PRICES is no table."""
    return Accounts(
        prices=price_table(settings.prices_path),
        providers=settings.providers,
        described={**asdict(settings.providers), "voice_activity": settings.voice_activity},
        spending=spending,
        limits_of=limits_for,
        on_spent=on_spent,
    )
