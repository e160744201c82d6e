"""Owns the rules Polly applies to SynthesizeSpeech, and its speech marks; sends nothing."""

import json
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from tests.aws_emulator.http_service import ServiceError
from tests.aws_emulator.polly_voices import ENGINES, LANGUAGES, VOICES

MAX_BILLED_CHARACTERS = 3_000
MAX_CHARACTERS = 6_000
_RATES = {"pcm": ("8000", "16000")}
_MARKS = ("sentence", "ssml", "viseme", "word")
_FORMATS = ("json", "mp3", "ogg_opus", "ogg_vorbis", "mu-law", "a-law", "pcm")
_WORD = re.compile(r"[\u4e00-\u9fff]{1,2}|[^\W\u4e00-\u9fff]+(?:['’-][^\W\u4e00-\u9fff]+)*")
_SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]*\s*")


@dataclass(frozen=True)
class Speech:
    """A checked request: `text` is what is spoken and billed, without SSML tags."""

    text: str
    voice: str
    engine: str
    output_format: str
    rate_hz: int
    marks: tuple[str, ...]

    @property
    def characters(self) -> int:
        return len(self.text)


def check_speech(document: dict[str, Any]) -> Speech:
    text = document.get("Text")
    if not isinstance(text, str):
        raise ServiceError(
            "ValidationException",
            "1 validation error detected: Value null at 'text' failed to satisfy constraint: Member must not be null",
        )
    voice = _one_of(document, "VoiceId", sorted(VOICES))
    engine = _one_of(document, "Engine", sorted(ENGINES.values()), "standard")
    output_format = _one_of(document, "OutputFormat", _FORMATS)
    text_type = _one_of(document, "TextType", ("ssml", "text"), "text")
    if len(text) > MAX_CHARACTERS:
        raise ServiceError("TextLengthExceededException", "Maximum text length has been exceeded")
    spoken = _spoken_text(text) if text_type == "ssml" else text
    if len(spoken) > MAX_BILLED_CHARACTERS:
        raise ServiceError("TextLengthExceededException", "Maximum text length has been exceeded")
    if engine not in VOICES[voice].engines:
        raise ServiceError("EngineNotSupportedException", f"This voice does not support the selected engine: {engine}")
    _check_language(document.get("LanguageCode"), voice)
    rate_hz = _rate(document.get("SampleRate"), output_format)
    return Speech(spoken, voice, engine, output_format, rate_hz, _marks(document, output_format))


def mark_lines(speech: Speech, ms_per_character: float) -> bytes:
    """One JSON object a line; offsets count bytes of UTF-8, as Polly's do."""
    marks: list[tuple[int, int, str, str]] = []
    if "sentence" in speech.marks:
        marks += [(m.start(), m.end(), "sentence", m[0].rstrip()) for m in _SENTENCE.finditer(speech.text)]
    if "word" in speech.marks:
        marks += [(m.start(), m.end(), "word", m[0]) for m in _WORD.finditer(speech.text)]
    marks.sort(key=lambda mark: (mark[0], mark[2] == "word"))
    return b"".join(_mark_line(speech.text, mark, ms_per_character) for mark in marks)


def _mark_line(text: str, mark: tuple[int, int, str, str], ms_per_character: float) -> bytes:
    start, _, kind, value = mark
    start_bytes = len(text[:start].encode())
    line = {
        "time": round(start * ms_per_character),
        "type": kind,
        "start": start_bytes,
        "end": start_bytes + len(value.encode()),
        "value": value,
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _one_of(
    document: dict[str, Any], name: str, allowed: tuple[str, ...] | list[str], default: str | None = None
) -> str:
    value = document.get(name, default)
    if value in allowed:
        return str(value)
    field = name[0].lower() + name[1:]
    raise ServiceError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(allowed)}]",
    )


def _spoken_text(ssml: str) -> str:
    try:
        # The prefix amazon: is used undeclared in Polly's SSML.
        root = ElementTree.fromstring(ssml.replace("<amazon:", "<amazon-").replace("</amazon:", "</amazon-"))  # noqa: S314
    except ElementTree.ParseError as error:
        raise ServiceError("InvalidSsmlException", "Invalid SSML request") from error
    if root.tag != "speak":
        raise ServiceError("InvalidSsmlException", "Invalid SSML request")
    return "".join(root.itertext())


def _check_language(code: Any, voice: str) -> None:
    if code is None:
        return
    if code not in LANGUAGES:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{code}' at 'languageCode' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(sorted(LANGUAGES))}]",
        )
    if code not in VOICES[voice].languages:
        raise ServiceError(
            "LanguageNotSupportedException", f"The language {code} is not supported by the voice {voice}."
        )


def _rate(rate: Any, output_format: str) -> int:
    if output_format == "json":
        return 16_000
    if output_format not in _RATES:
        raise ServiceError("ValidationException", f"The emulator does not encode {output_format}, only pcm")
    if rate is not None and str(rate) not in _RATES[output_format]:
        raise ServiceError("InvalidSampleRateException", f"Sample rate {rate} is not valid for {output_format}")
    return int(rate or 16_000)


def _marks(document: dict[str, Any], output_format: str) -> tuple[str, ...]:
    marks = tuple(document.get("SpeechMarkTypes") or ())
    if any(mark not in _MARKS for mark in marks):
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{list(marks)}' at 'speechMarkTypes' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(_MARKS)}]",
        )
    if marks and output_format != "json":
        raise ServiceError(
            "MarksNotSupportedForFormatException",
            "Speech marks are not supported for the OutputFormat selected. "
            "Speech marks are only available for content in json format.",
        )
    if output_format == "json" and not marks:
        raise ServiceError("ValidationException", "Speech mark types are required for the json output format")
    if "ssml" in marks and document.get("TextType", "text") != "ssml":
        raise ServiceError(
            "SsmlMarksNotSupportedForTextTypeException",
            "SSML speech marks are not supported for plain text-type input.",
        )
    return marks
