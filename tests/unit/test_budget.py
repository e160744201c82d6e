"""Budgets: steps of saving before the end, what each step changes, and the sums that all web processes share."""

from decimal import Decimal
from typing import Any

import pytest
import redis
from redis import asyncio as aioredis

from sessions import budgets, spending
from sessions.lifecycle import claim_channel
from sessions.live.budget import BRIEFLY, SHORT_REPLY_TOKENS, BudgetLimits, Spent, budget_state, saving
from sessions.models import DailyUsage, Session
from sessions.spending import DaySpending
from tests.unit.realtime_double import session_config
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
LIMITS = BudgetLimits(Decimal(1), Decimal(10), Decimal(100))


@pytest.mark.parametrize(
    ("session_usd", "step"),
    [
        ("0", "free"),
        ("0.79", "free"),
        ("0.80", "short"),
        ("0.90", "blind"),
        ("0.999", "blind"),
        ("1", "spent"),
        ("3", "spent"),
    ],
)
def test_a_budget_is_saved_in_steps_before_it_ends(session_usd: str, step: str) -> None:
    assert budget_state(LIMITS, Spent(Decimal(session_usd))).step == step


@pytest.mark.parametrize(
    ("spent", "which"),
    [
        (Spent(Decimal("0.9")), "session"),
        (Spent(Decimal("0.1"), Decimal("9.5")), "key"),
        (Spent(Decimal("0.1"), Decimal("1"), Decimal("99")), "site"),
    ],
)
def test_the_budget_nearest_to_its_end_counts(spent: Spent, which: str) -> None:
    assert budget_state(LIMITS, spent).which == which


def test_without_limits_nothing_is_saved() -> None:
    assert budget_state(BudgetLimits(), Spent(Decimal(10**6), Decimal(10**6), Decimal(10**6))).step == "free"


def test_saving_shortens_replies_and_stops_speculation_and_then_pictures() -> None:
    config = session_config()
    short, blind = saving(config, "short"), saving(config, "blind")
    assert saving(config, "free") == config
    assert (short.model.max_tokens, short.turns.speculation, short.vision.enabled) == (SHORT_REPLY_TOKENS, False, True)
    assert short.instructions.endswith(BRIEFLY)
    assert (blind.model.max_tokens, blind.vision.enabled) == (SHORT_REPLY_TOKENS, False)


# --- what all processes share -----------------------------------------------------------------------------------------------


@pytest.fixture
def clients(redis_url: str) -> list["aioredis.Redis"]:
    return [aioredis.Redis.from_url(redis_url) for _ in range(2)]


async def test_each_process_knows_what_the_others_have_spent(clients: list["aioredis.Redis"]) -> None:
    here, there = (DaySpending(client) for client in clients)
    here.add("key:a", Decimal("0.25"))
    there.add("key:a", Decimal("0.5"))
    there.add("key:b", Decimal(1))
    assert here.of_owner("key:a") == Decimal("0.25")
    assert here.of_site == Decimal("0.25")
    for process in (here, there, here):
        await process.exchange()
    assert (here.of_owner("key:a"), here.of_site) == (Decimal("0.75"), Decimal("1.75"))
    for client in clients:
        await client.aclose()


async def test_what_was_spent_while_redis_is_away_is_added_later(redis_url: str) -> None:
    here = DaySpending(aioredis.Redis.from_url("redis://127.0.0.1:1/0"))
    here.add("key:a", Decimal("0.25"))
    with pytest.raises(redis.RedisError):
        await here.exchange()
    assert here.of_owner("key:a") == Decimal("0.25")
    here._client = aioredis.Redis.from_url(redis_url)
    await here.exchange()
    await here.exchange()
    assert here.of_owner("key:a") == Decimal("0.25")
    await here._client.aclose()


@pytest.mark.django_db
def test_a_redis_that_lost_its_data_gets_the_days_sums_from_the_rows(configure: Configure) -> None:
    for owner, usd in (("key:a", "0.25"), ("key:b", "0.5")):
        fields: dict[str, Any] = {"service": "language_model", "provider": "aws", "graph_name": "voice"}
        DailyUsage.objects.create(day=spending.today(), owner=owner, cost_usd=Decimal(usd), **fields)
    spending.catch_up_with_rows()
    spending.catch_up_with_rows()
    assert spending.spent_today("key:a") == (Decimal("0.25"), Decimal("0.75"))


@pytest.mark.django_db
@pytest.mark.parametrize(("field", "owner"), [("budget_key_day_usd", "key:a"), ("budget_day_usd", "key:b")])
def test_a_start_is_refused_when_the_day_is_spent(configure: Configure, redis_url: str, field: str, owner: str) -> None:
    configure(**{field: 0.5})
    store = redis.Redis.from_url(redis_url)
    day = f"nova:spending:{spending.today().isoformat()}"
    store.hset(day, mapping={"owner:key:a": "0.6", "site": "0.6"})
    with pytest.raises(budgets.BudgetSpentError, match="begins anew"):
        claim_channel("room", "voice", owner, overrides={}, user_uid=1, bot_uid=2)
    assert not Session.objects.exists()
    store.hset(day, mapping={"owner:key:a": "0.4", "site": "0.4"})
    claim_channel("room", "voice", owner, overrides={}, user_uid=1, bot_uid=2)
