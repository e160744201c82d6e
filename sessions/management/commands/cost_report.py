"""`manage.py cost_report`: what the talks have cost, what a planned month would, and the prices behind both."""

import argparse
import dataclasses
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from sessions.configured import web_settings
from sessions.costs import GROUPS, PlannedCost, Scenario, SpentCost, plan, spent
from sessions.csv_cells import write_csv
from sessions.management.tables import table
from sessions.spending import today
from workers.errors import ConfigurationError
from workers.prices import PriceTable, as_json, price_table

QUANTITIES = ("calls", "billed_seconds", "input_tokens", "output_tokens", "characters", "unheard_characters")
DETAILS = ("picture_tokens", "cached_input_tokens", "word_mark_characters")


class Command(BaseCommand):
    help = "What the talks of some days have cost; with --plan what a month of talks would, by each way of buying it."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="how many days, today included (30)")
        parser.add_argument("--month", default=None, help="a calendar month instead, as 2026-11")
        parser.add_argument("--by", default="service,model,purpose", help=f"grouped by some of {', '.join(GROUPS)}")
        parser.add_argument("--csv", action="store_true", help="as CSV, with all quantities")
        parser.add_argument("--prices", action="store_true", help="print the table of prices as JSON, for NOVA_PRICES")
        parser.add_argument("--plan", action="store_true", help="a planned month; the options below describe it")
        for field in dataclasses.fields(Scenario):
            option = "--" + field.name.replace("_", "-")
            parser.add_argument(option, type=type(field.default), default=field.default, help=f"({field.default})")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            prices = price_table(web_settings().prices_path)
        except ConfigurationError as error:
            raise CommandError(error.text) from error
        if options["prices"]:
            self.stdout.write(as_json(prices))
        elif options["plan"]:
            scenario = Scenario(**{field.name: options[field.name] for field in dataclasses.fields(Scenario)})
            self._show_plan(scenario, prices, is_csv=options["csv"])
        else:
            self._show_spent(options, prices)

    def _show_plan(self, scenario: Scenario, prices: PriceTable, *, is_csv: bool) -> None:
        costs = plan(scenario, prices)
        head = ["service", "way", "amount", "unit", "USD a month"]
        if is_csv:
            write_csv(self.stdout, [head, *([c.service, c.what, c.amount, c.unit, c.usd] for c in costs)])  # type: ignore[arg-type]
            return
        self.stdout.write(f"{scenario.turns:,} turns a month in {scenario.hours:,.0f} hours of talk\n\n")
        self.stdout.write(table(head, [_planned(cost) for cost in costs]))
        self._show_source(prices)

    def _show_spent(self, options: dict[str, Any], prices: PriceTable) -> None:
        first, last = _period(options["days"], options["month"])
        by = _groups(options["by"])
        try:
            groups = spent(first, last, by)
            hearing = spent(first, last, ("service", "provider"))
        except DatabaseError as error:
            raise CommandError("the database cannot be reached") from error
        if options["csv"]:
            rows = [[*group.names, *group.sums.values()] for group in groups]
            write_csv(self.stdout, [[*by, *(groups[0].sums if groups else ())], *rows])  # type: ignore[arg-type]
            return
        self.stdout.write(f"{first} to {last} (UTC)\n\n")
        self.stdout.write(table([*by, *map(_heading, QUANTITIES), "USD"], [_spent(group) for group in groups]))
        total = sum(group.sums["cost_usd"] for group in groups)
        self.stdout.write(f"\nin all {total:,.4f} USD" + _details(groups))
        self.stdout.write(_by_tiers(hearing, prices))
        self._show_source(prices)

    def _show_source(self, prices: PriceTable) -> None:
        self.stdout.write(
            f"\nprices of {prices.region}, version {prices.version}, before tax; --prices shows each source"
        )


def _period(days: int, month: str | None) -> tuple[date, date]:
    if month is None:
        return today() - timedelta(days=max(1, days) - 1), today()
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise CommandError(f"--month {month}: must be as 2026-11") from error
    return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _groups(names: str) -> tuple[str, ...]:
    by = tuple(name.strip() for name in names.split(",") if name.strip())
    unknown = [name for name in by if name not in GROUPS]
    if unknown or not by:
        raise CommandError(f"--by {names}: must be some of {', '.join(GROUPS)}")
    return by


def _planned(cost: PlannedCost) -> list[str]:
    return [cost.service, cost.what, f"{cost.amount:,.0f}", cost.unit, f"{cost.usd:,.2f}".removesuffix(".00")]


def _spent(group: SpentCost) -> list[str]:
    quantities = [f"{group.sums[name]:,.0f}" if group.sums[name] else "" for name in QUANTITIES]
    return [*group.names, *quantities, f"{group.sums['cost_usd']:,.4f}"]


def _heading(name: str) -> str:
    return name.replace("_", " ")


def _details(groups: list[SpentCost]) -> str:
    sums = {name: sum(group.sums[name] for group in groups) for name in DETAILS}
    told = [f"{value:,.0f} {_heading(name)}" for name, value in sums.items() if value]
    return f"; among it {', '.join(told)}" if told else ""


def _by_tiers(groups: list[SpentCost], prices: PriceTable) -> str:
    """Streams are counted at the first tier's price; a month with many of them comes cheaper."""
    for group in groups:
        if group.names == ("speech_to_text", "aws"):
            tiered = prices.speech_to_text.month_usd(group.sums["billed_seconds"] / 60)
            if tiered < group.sums["cost_usd"]:
                return f"\nas one month's use Transcribe comes to {tiered:,.2f} USD by its tiers"
    return ""
