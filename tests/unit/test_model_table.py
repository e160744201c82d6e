"""What the table says of each model: caps, token rule, and that every way to name a model finds it."""

import pytest

from tests.aws_emulator.bedrock_pictures import counted_tokens
from workers.language_model.model_table import model_facts, picture_tokens, useful_side_px

LITE = "us.amazon.nova-lite-v1:0"
NOVA_2 = "global.amazon.nova-2-lite-v1:0"


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("amazon.nova-micro-v1:0", "nova-micro"),
        ("eu.amazon.nova-lite-v1:0", "nova-lite"),
        ("apac.amazon.nova-pro-v1:0", "nova-pro"),
        ("us.amazon.nova-premier-v1:0", "nova-premier"),
        (NOVA_2, "nova-2-lite"),
        ("us.amazon.nova-2-pro-preview-20251202-v1:0", "nova-2-pro"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0", "nova-lite"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0:300k", "nova-pro"),
        ("amazon.nova-prototype-v1:0", "unknown"),
        ("another.model", "unknown"),
    ],
)
def test_a_model_is_known_by_id_profile_and_arn(model_id: str, family: str) -> None:
    assert model_facts(model_id).family == family


def test_every_model_has_a_source_and_a_date() -> None:
    for model_id in ("nova-micro", "nova-lite", "nova-pro", "nova-premier", "nova-2-lite", "nova-2-pro", "other"):
        facts = model_facts(model_id)
        assert facts.source
        assert facts.checked_on.startswith("20")


def test_micro_sees_nothing_and_an_unknown_model_gets_the_lowest_cap() -> None:
    assert not model_facts("amazon.nova-micro-v1:0").sees
    assert model_facts("another.model").max_pictures == model_facts(NOVA_2).max_pictures == 5
    assert model_facts(LITE).max_pictures == 20


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((900, 450), 800), ((900, 900), 1_300), ((1_400, 900), 1_800), ((1_800, 900), 2_400), ((1_300, 1_300), 2_600)],
)
def test_nova_1_counts_the_guides_own_sizes_as_the_guide_does(size: tuple[int, int], tokens: int) -> None:
    assert picture_tokens(LITE, *size) == picture_tokens(LITE, *size[::-1]) == tokens


def test_nova_1_charges_a_thumbnail_as_much_as_what_it_is_scaled_up_to() -> None:
    assert picture_tokens(LITE, 320, 180) == picture_tokens(LITE, 896, 504) > 800
    assert picture_tokens(LITE, 1, 1) == picture_tokens(LITE, 896, 896)


def test_a_larger_picture_never_costs_less() -> None:
    tokens = [picture_tokens(LITE, 16 * n, 9 * n) for n in range(1, 500)]
    assert tokens == sorted(tokens)
    assert all(tokens)


def test_nova_2_bills_each_picture_alike_and_micro_none() -> None:
    assert {picture_tokens(NOVA_2, side, side) for side in (1, 900, 8_000)} == {230}
    assert picture_tokens("nova-micro", 900, 900) == 0


def test_the_estimate_is_near_what_the_service_counts() -> None:
    for width in range(100, 2_000, 130):
        for height in range(100, 2_000, 170):
            counted = counted_tokens(width, height)
            assert abs(picture_tokens(LITE, width, height) - counted) <= 0.05 * counted


def test_a_camera_is_kept_as_small_as_nova_1_charges_for_and_text_in_full() -> None:
    assert useful_side_px(LITE, "camera", 1_280) == 896
    assert useful_side_px(LITE, "camera", 640) == 640
    assert useful_side_px(LITE, "screen", 1_280) == 1_280
    assert useful_side_px(NOVA_2, "camera", 1_280) == 1_280
