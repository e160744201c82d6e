"""The price table: the worksheet's figures, what a stream is billed for, and a table of one's own."""

from decimal import Decimal
from pathlib import Path

import pytest

from workers.errors import ConfigurationError
from workers.prices import BUILT_IN, as_json, price_table

TURNS = 3_600_000
PICTURE_TOKENS = TURNS * 10 * 800
OUTPUT_TOKENS = TURNS * 100
CHARACTERS = TURNS * 200


@pytest.mark.parametrize(("minutes", "usd"), [(300_000, 6_750), (900_000, 15_750), (1_800_000, 25_410)])
def test_a_months_hearing_is_paid_by_tiers(minutes: int, usd: int) -> None:
    assert BUILT_IN.speech_to_text.month_usd(Decimal(minutes)) == usd


@pytest.mark.parametrize(
    ("model_id", "input_usd", "output_usd"),
    [("us.amazon.nova-lite-v1:0", "1728", "86.4"), ("us.amazon.nova-pro-v1:0", "23040", "1152")],
)
def test_a_months_thinking_is_paid_by_tokens(model_id: str, input_usd: str, output_usd: str) -> None:
    price = BUILT_IN.language_model(model_id)
    assert price.cost_usd(PICTURE_TOKENS, 0) == Decimal(input_usd)
    assert price.cost_usd(0, OUTPUT_TOKENS) == Decimal(output_usd)


@pytest.mark.parametrize(("engine", "usd"), [("standard", 2_880), ("neural", 11_520), ("generative", 21_600)])
def test_a_months_speech_is_paid_by_characters(engine: str, usd: int) -> None:
    assert BUILT_IN.voice(engine).cost_usd(CHARACTERS) == usd


@pytest.mark.parametrize(
    ("seconds", "billed"), [(0.0, 0), (0.3, 15), (5.0, 15), (15.0, 15), (15.1, 16), (3_600.0, 3_600)]
)
def test_a_stream_is_billed_by_whole_seconds_and_for_fifteen_at_least(seconds: float, billed: int) -> None:
    assert BUILT_IN.speech_to_text.billed_seconds(seconds) == billed


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("amazon.nova-micro-v1:0", "nova-micro"),
        ("eu.amazon.nova-2-lite-v1:0", "nova-2-lite"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-premier-v1:0", "nova-premier"),
        ("another.model-v7", "unknown"),
        ("amazon.nova-sonic-v1:0", "unknown"),
    ],
)
def test_a_model_is_priced_by_its_family(model_id: str, family: str) -> None:
    assert BUILT_IN.language_model(model_id).family == family


def test_what_is_not_in_the_table_costs_as_much_as_the_dearest() -> None:
    assert BUILT_IN.language_model("another").output_usd == max(each.output_usd for each in BUILT_IN.language_models)
    assert BUILT_IN.voice("another").usd == max(each.usd for each in BUILT_IN.voices)


def test_a_printed_table_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(as_json(BUILT_IN))
    assert price_table(str(path)) == BUILT_IN


@pytest.mark.parametrize("text", [None, "{}", "nonsense"])
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "prices.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match="NOVA_PRICES"):
        price_table(str(path))
