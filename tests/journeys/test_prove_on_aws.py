"""`manage.py prove_on_aws`, on the emulator: the whole system by one command, one turn, one report."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.house import ROOT, SECRETS, House
from tests.span_collector import CollectedSpan, SpanCollector

QUESTION = "What colour is the big circle in the picture?"
ANSWER = "The circle is red."
LIMIT_SECONDS = 150
pytestmark = pytest.mark.timeout(240)


class Proof(NamedTuple):
    code: int
    report: dict[str, Any]
    report_text: str
    said: str
    spans: list[CollectedSpan]


def prove(house: House, tracing_endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NOVA_", "AWS_"))}
    own = {
        "DJANGO_SETTINGS_MODULE": "nova_site.settings",
        "NOVA_TRACING_ENDPOINT": tracing_endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        # The emulator speaks in tones, which Silero rightly takes for no voice.
        "NOVA_VOICE_ACTIVITY": "energy",
    }
    environment = {**inherited, **house.aws.env(), **SECRETS, **own}
    command = [sys.executable, "manage.py", "prove_on_aws", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS)


@pytest.fixture(scope="module")
def proof(house_of_aws: House, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    house_of_aws.aws.reset()
    house_of_aws.aws.script(texts=[QUESTION], bedrock=[{"text": ANSWER}])
    path: Path = tmp_path_factory.mktemp("proof") / "report.json"
    with SpanCollector() as collector:
        done = prove(house_of_aws, collector.endpoint, "--max-usd", "0.50", "--out", str(path))
    assert path.exists(), done.stderr
    return Proof(done.returncode, json.loads(path.read_text()), path.read_text(), done.stderr, collector.spans)


def test_a_turn_that_is_heard_seen_and_answered_passes(proof: Proof) -> None:
    assert proof.code == 0, proof.report["checks"]
    assert [check["name"] for check in proof.report["checks"] if check["passed"]] == [
        *("talk", "heard", "answered", "saw", "spoke", "no_errors", "cost"),
    ]


def test_the_picture_really_went_to_the_model(proof: Proof, house_of_aws: House) -> None:
    (call,) = house_of_aws.aws.journal(service="bedrock", full=True)
    contents = [part for message in call["request"]["messages"] for part in message["content"]]
    assert any("image" in part for part in contents)


def test_the_question_is_spoken_by_polly_and_its_characters_are_told(proof: Proof, house_of_aws: House) -> None:
    first, *_ = house_of_aws.aws.journal(service="polly", full=True)
    assert first["request"]["Text"] == QUESTION
    assert proof.report["services"]["polly"]["usage"]["question_characters"] == len(QUESTION)


def test_usage_and_delays_stand_beside_what_the_emulator_assumes(proof: Proof, house_of_aws: House) -> None:
    services = proof.report["services"]
    assert services["polly"]["usage"]["characters"] == len(ANSWER)
    assert services["bedrock"]["usage"]["output_tokens"] > 0
    assert services["transcribe"]["delays_ms"]["last_words_ms"] > 0
    assert all(service["assumed"] for service in services.values())


def test_the_report_holds_no_secret(proof: Proof, house_of_aws: House) -> None:
    assert house_of_aws.canaries_in(proof.report_text + proof.said) == []


def test_the_turn_is_one_trace_over_web_process_and_worker(proof: Proof) -> None:
    (turn,) = [span for span in proof.spans if span.name == "turn"]
    own = [span for span in proof.spans if span.trace_id == turn.trace_id]
    assert {span.service for span in own} == {"nova-web", "nova-talking"}
    assert {span.name for span in own} == {
        *("turn", "listening", "reply", "generate_reply", "synthesize_speech"),
        "chat us.amazon.nova-pro-v1:0",
    }
    known = {span.span_id for span in own}
    assert all(span.parent_id in known for span in own if span is not turn)


def test_the_call_of_the_model_tells_its_tokens_by_the_genai_names(proof: Proof) -> None:
    (chat,) = [span for span in proof.spans if span.name.startswith("chat")]
    assert chat.attributes["gen_ai.provider.name"] == "aws.bedrock"
    assert chat.attributes["gen_ai.usage.input_tokens"] == proof.report["services"]["bedrock"]["usage"]["input_tokens"]


def test_no_span_holds_what_was_said(proof: Proof) -> None:
    assert [span.name for span in proof.spans if QUESTION in repr(span) or ANSWER in repr(span)] == []
