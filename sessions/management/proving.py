"""The proof on real services: what it may cost, what it must show, and the report that is fit to be sent to us; no I/O."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, Final

from sessions.management.proving_question import QUESTION_ENGINE, QUESTIONS, Question
from workers.errors import NovaError
from workers.prices import PriceTable

LONGEST_TALK_SECONDS: Final = 90
MOST_INPUT_TOKENS: Final = 15_000
MAX_TOKENS: Final = 150
CHARACTERS_PER_TOKEN: Final = 6
SPOKEN_TWICE: Final = 2
"""Polly bills the times of words like their sound."""
LONGEST_QUESTION_CHARACTERS: Final = max(len(question.text) for question in QUESTIONS.values())
LEAST_LIKENESS: Final = 0.6
LEAST_SPEECH_SECONDS: Final = 0.4

PROPERTIES: Final[dict[str, Any]] = {
    "llm": {"greeting": "", "max_tokens": MAX_TOKENS, "tools": []},
    "turns": {"speculation": False},
}
"""One call of the model, a short one, and nothing said beside it."""

ASSUMED: Final[dict[str, dict[str, float]]] = {
    "transcribe": {"last_words_ms": 400},
    "bedrock": {"first_token_ms": 200, "token_ms": 10, "picture_tokens": 862},
    "polly": {"first_byte_ms": 100, "ms_per_character": 60},
}
"""What the emulator does by default, and what the benchmarks tell it to do."""

_ACCOUNT = re.compile(r"\b\d{12}\b|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")


class TooDearError(NovaError):
    code = "too_dear"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    is_passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Made:
    """What the talk has brought. Times are milliseconds; `fault` is set when it broke off."""

    heard_text: str = ""
    answer_text: str = ""
    status: str = ""
    speech_seconds: float = 0.0
    talk_seconds: float = 0.0
    recording_seconds: float = 0.0
    question_characters: int = 0
    last_words_ms: float | None = None
    delays_ms: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proved; part of the report."""

    region: str
    model_id: str
    voice: str
    engine: str
    language: str
    transcribe_transport: str
    has_own_endpoints: bool


def worst_case_usd(prices: PriceTable, subject: Subject) -> Decimal:
    model, voice = prices.language_model(subject.model_id), prices.voice(subject.engine)
    hearing = prices.speech_to_text.cost_usd(prices.speech_to_text.billed_seconds(LONGEST_TALK_SECONDS))
    speaking = voice.cost_usd(MAX_TOKENS * CHARACTERS_PER_TOKEN * SPOKEN_TWICE)
    asking = prices.voice(QUESTION_ENGINE).cost_usd(LONGEST_QUESTION_CHARACTERS)
    return hearing + model.cost_usd(MOST_INPUT_TOKENS, MAX_TOKENS) + speaking + asking


def check_price(worst_usd: Decimal, max_usd: float) -> None:
    """Raises TooDearError before anything is asked for."""
    if worst_usd > Decimal(str(max_usd)):
        raise TooDearError(f"one turn may cost up to {worst_usd:.2f} USD here, more than --max-usd {max_usd:.2f}")


def judge(question: Question, made: Made, errors: Mapping[str, float]) -> list[Check]:
    likeness = _likeness(question.text, made.heard_text)
    answer = made.answer_text.lower()
    failed = ", ".join(f"{name}: {count:.0f}" for name, count in errors.items())
    return [
        Check("talk", not made.fault, made.fault or "held to its end"),
        Check("heard", likeness >= LEAST_LIKENESS, f"{likeness:.0%} like what was said: {made.heard_text!r}"),
        Check("answered", made.status == "completed", made.status or "no answer"),
        Check("saw", any(word in answer for word in question.answers), f"the answer: {made.answer_text.strip()!r}"),
        Check("spoke", made.speech_seconds >= LEAST_SPEECH_SECONDS, f"{made.speech_seconds:.1f} s of speech"),
        Check("no_errors", not errors, failed or "no call failed"),
    ]


def make_report(
    subject: Subject,
    prices: PriceTable,
    made: Made,
    figures: Mapping[str, float],
    checks: list[Check],
    max_usd: float,
) -> dict[str, Any]:
    """Times in milliseconds. Beside each service's own figures stands what the emulator assumes of it."""
    services = _services(subject, prices, made, figures)
    cost_usd = sum(service["cost_usd"] for service in services.values())
    checks = [*checks, Check("cost", cost_usd <= max_usd, f"{cost_usd:.4f} of {max_usd:.2f} USD")]
    report = {
        "passed": all(check.is_passed for check in checks),
        "checks": [{"name": check.name, "passed": check.is_passed, "detail": check.detail} for check in checks],
        "subject": asdict(subject),
        "services": services,
        "turn_delays_ms": dict(made.delays_ms),
        "cost_usd": round(cost_usd, 6),
        "worst_case_usd": float(worst_case_usd(prices, subject)),
        "max_usd": max_usd,
        "prices": prices.version,
    }
    fit: dict[str, Any] = _fit_to_send(report)
    return fit


def errors_in(figures: Mapping[str, float]) -> dict[str, float]:
    wanted = ("nova_provider_errors_total", "nova_speech_stream_errors_total", "nova_reply_failures_total")
    return {name: value for name, value in figures.items() if name.startswith(wanted) and value}


def _services(
    subject: Subject, prices: PriceTable, made: Made, figures: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    tokens_in, tokens_out = (_total(figures, "nova_model_tokens_total", word) for word in ("input", "output"))
    characters = _total(figures, "nova_voice_characters_total", "speech")
    marked = _total(figures, "nova_voice_characters_total", "word_marks")
    asked_usd = prices.voice(QUESTION_ENGINE).cost_usd(made.question_characters)
    billed = prices.speech_to_text.billed_seconds(made.talk_seconds)
    delays = made.delays_ms
    return {
        "transcribe": {
            "delays_ms": {"last_words_ms": made.last_words_ms, "end_of_turn_ms": delays.get("end_of_turn")},
            "usage": {"billed_seconds_at_most": billed, "speech_seconds": round(made.recording_seconds, 2)},
            "assumed": ASSUMED["transcribe"],
            "cost_usd": float(prices.speech_to_text.cost_usd(billed)),
        },
        "bedrock": {
            "delays_ms": {"first_token_ms": delays.get("model_first_token")},
            "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out},
            "assumed": ASSUMED["bedrock"],
            "cost_usd": float(prices.language_model(subject.model_id).cost_usd(tokens_in, tokens_out)),
        },
        "polly": {
            "delays_ms": {"first_byte_ms": delays.get("voice_first_byte")},
            "usage": {
                "characters": characters,
                "word_time_characters": marked,
                "question_characters": made.question_characters,
                "speech_seconds": round(made.speech_seconds, 2),
                "ms_per_character": round(made.speech_seconds * 1_000 / characters, 1) if characters else None,
            },
            "assumed": ASSUMED["polly"],
            "cost_usd": float(prices.voice(subject.engine).cost_usd(characters + marked) + asked_usd),
        },
    }


def _total(figures: Mapping[str, float], name: str, word: str) -> int:
    return int(sum(value for series, value in figures.items() if series.startswith(name) and f'="{word}"' in series))


def _likeness(said: str, heard: str) -> float:
    left, right = ("".join(sign for sign in text.lower() if sign.isalnum()) for text in (said, heard))
    return SequenceMatcher(None, left, right).ratio()


def _fit_to_send(value: Any) -> Any:
    """Error texts of AWS name accounts, and a model's ARN does."""
    if isinstance(value, dict):
        return {name: _fit_to_send(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_fit_to_send(item) for item in value]
    return _ACCOUNT.sub("***", value) if isinstance(value, str) else value
