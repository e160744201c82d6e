"""`cost_report`: the worksheet's golden case, what was really spent, and cells that no spreadsheet computes."""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sessions.csv_cells import csv_cell, plain_number
from sessions.models import DailyUsage
from sessions.spending import today
from workers.prices import BUILT_IN, as_json


def report(*arguments: str) -> str:
    out = io.StringIO()
    call_command("cost_report", *arguments, stdout=out)
    return out.getvalue()


def use(day: date, service: str, **fields: Any) -> None:
    named = {"owner": "key:a", "graph_name": "voice", "provider": "aws", **fields}
    DailyUsage.objects.create(day=day, service=service, **named)


def test_the_golden_case_costs_what_the_worksheet_says() -> None:
    lines = [line.split() for line in report("--plan").splitlines()]
    usd = {" ".join(words[:-3]): words[-1] for words in lines if len(words) > 3}
    assert [usd[f"speech_to_text {way}"] for way in WAYS] == ["6,750", "15,750", "25,410"]
    assert (usd["language_model nova-lite, input"], usd["language_model nova-lite, output"]) == ("1,728", "86.40")
    assert (usd["language_model nova-pro, input"], usd["language_model nova-pro, output"]) == ("23,040", "1,152")
    assert [usd[f"text_to_speech {engine}"] for engine in ENGINES] == ["2,880", "11,520", "21,600"]


WAYS = ("only speech metered", "a new stream for each turn", "a stream open all the time")
ENGINES = ("standard", "neural", "generative")


def test_another_plan_is_another_price() -> None:
    assert "1,800" in next(
        line for line in report("--plan", "--users", "1").splitlines() if "open all the time" in line
    )


@pytest.mark.django_db
def test_what_was_spent_is_grouped_and_added_up() -> None:
    day = today()
    use(
        day,
        "language_model",
        model="nova-pro",
        calls=2,
        input_tokens=1_000,
        picture_tokens=800,
        cost_usd=Decimal("0.5"),
    )
    use(day, "language_model", model="nova-pro", purpose="speculation", calls=1, cost_usd=Decimal("0.25"))
    use(day, "text_to_speech", model="generative", characters=500, unheard_characters=40, cost_usd=Decimal("0.015"))
    text = report()
    assert "in all 0.7650 USD; among it 800 picture tokens" in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("language_model", "text_to_speech"))]
    assert [row[2] for row in rows] == ["talk", "speculation", "talk"]
    assert BUILT_IN.version in text


@pytest.mark.django_db
def test_a_report_may_be_of_a_month_and_by_day() -> None:
    use(date(2026, 2, 28), "language_model", cost_usd=Decimal(1))
    use(date(2026, 3, 1), "language_model", cost_usd=Decimal(2))
    text = report("--month", "2026-02", "--by", "day")
    assert "2026-02-01 to 2026-02-28" in text
    assert "in all 1.0000 USD" in text


@pytest.mark.django_db
def test_a_month_with_much_hearing_is_told_by_tiers() -> None:
    use(today(), "speech_to_text", billed_seconds=300_000 * 60, cost_usd=Decimal(7_200))
    assert "6,750.00 USD by its tiers" in report()


@pytest.mark.parametrize("arguments", [("--by", "colour"), ("--month", "yesterday"), ("--by", "")])
def test_a_wrong_question_is_named(arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=arguments[0]):
        report(*arguments)


def test_the_prices_are_printed_as_they_are_read() -> None:
    assert report("--prices").strip() == as_json(BUILT_IN)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "  =cmd|' /C calc'!A0", "%0A=1"])
def test_db_05_a_cell_that_begins_like_a_formula_stays_text(text: str) -> None:
    assert csv_cell(text).startswith("'")
    assert csv_cell(text)[1:] == text


@pytest.mark.parametrize(("value", "cell"), [(-1.5, "-1.5"), (Decimal("-2"), "-2"), ("a=b", "a=b"), (None, "")])
def test_db_05_numbers_and_plain_words_stay_as_they_are(value: object, cell: str) -> None:
    assert csv_cell(value) == cell


@pytest.mark.django_db
def test_db_05_a_report_holds_no_formula() -> None:
    use(today(), "language_model", owner="=HYPERLINK(1)", cost_usd=Decimal(1))
    rows = list(csv.reader(io.StringIO(report("--csv", "--by", "owner"))))
    assert rows[1][0] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0E-8"), "0"),
        (Decimal("249.599999999999994315658"), "249.6"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "0.000000001"),
    ],
)
def test_numbers_are_written_in_full_and_no_finer_than_money(value: Decimal | float, text: str) -> None:
    assert plain_number(value) == csv_cell(value) == text
