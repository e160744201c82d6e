"""What talks have cost, by day and service, and what a planned number of them would; figures only, no output."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from sessions.models import DailyUsage, Service
from workers.prices import PriceTable

SUMS = (
    "calls",
    "seconds",
    "billed_seconds",
    "input_tokens",
    "cached_input_tokens",
    "picture_tokens",
    "output_tokens",
    "characters",
    "word_mark_characters",
    "unheard_characters",
    "cost_usd",
)
GROUPS = ("service", "day", "owner", "graph_name", "model", "purpose", "provider")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A month of talks; the defaults are those of the public worksheet that the estimator is tested with."""

    users: int = 1_000
    hours_a_day: float = 1.0
    days_a_month: int = 30
    turns_an_hour: int = 120
    speech_seconds: float = 5.0
    characters: int = 200
    pictures: int = 10
    picture_tokens: int = 800
    text_tokens: int = 0
    output_tokens: int = 100

    @property
    def hours(self) -> Decimal:
        return self.users * Decimal(str(self.hours_a_day)) * self.days_a_month

    @property
    def turns(self) -> int:
        return int(self.hours * self.turns_an_hour)


@dataclass(frozen=True, slots=True)
class PlannedCost:
    """`amount` in `unit`, of which `usd` is the price."""

    service: str
    what: str
    amount: Decimal
    unit: str
    usd: Decimal


def plan(scenario: Scenario, prices: PriceTable) -> list[PlannedCost]:
    """Each way of hearing, each model and each engine, side by side: one of each is what is paid."""
    return [*_hearing(scenario, prices), *_thinking(scenario, prices), *_speaking(scenario, prices)]


def _hearing(scenario: Scenario, prices: PriceTable) -> Iterable[PlannedCost]:
    hearing = prices.speech_to_text
    ways = {
        "only speech metered": scenario.turns * Decimal(str(scenario.speech_seconds)) / 60,
        "a new stream for each turn": Decimal(scenario.turns * hearing.billed_seconds(scenario.speech_seconds)) / 60,
        "a stream open all the time": scenario.hours * 60,
    }
    for what, minutes in ways.items():
        yield PlannedCost(Service.SPEECH_TO_TEXT.value, what, minutes, "minutes", hearing.month_usd(minutes))


def _thinking(scenario: Scenario, prices: PriceTable) -> Iterable[PlannedCost]:
    input_tokens = scenario.turns * (scenario.pictures * scenario.picture_tokens + scenario.text_tokens)
    output_tokens = scenario.turns * scenario.output_tokens
    for price in prices.language_models:
        parts = (("input", input_tokens, 0), ("output", 0, output_tokens))
        for name, given, written in parts:
            usd = price.cost_usd(given, written)
            amount = Decimal(given + written)
            yield PlannedCost(Service.LANGUAGE_MODEL.value, f"{price.family}, {name}", amount, "tokens", usd)


def _speaking(scenario: Scenario, prices: PriceTable) -> Iterable[PlannedCost]:
    characters = scenario.turns * scenario.characters
    for price in prices.voices:
        usd = price.cost_usd(characters)
        yield PlannedCost(Service.TEXT_TO_SPEECH.value, price.engine, Decimal(characters), "characters", usd)


@dataclass(frozen=True, slots=True)
class SpentCost:
    """Sums of one group: `names` by the fields it was grouped by."""

    names: tuple[str, ...]
    sums: dict[str, Decimal]


def spent(first: date, last: date, by: tuple[str, ...]) -> list[SpentCost]:
    """Of the days from first to last, both included; the dearest group first."""
    rows = DailyUsage.objects.filter(day__range=(first, last)).order_by().values(*by)
    summed = rows.annotate(**{f"sum_{name}": Sum(name) for name in SUMS}).order_by("-sum_cost_usd")
    return [
        SpentCost(tuple(str(row[name]) for name in by), {name: Decimal(row[f"sum_{name}"] or 0) for name in SUMS})
        for row in summed
    ]
