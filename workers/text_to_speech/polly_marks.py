"""Reads Polly's speech marks: JSON lines with offsets in bytes of UTF-8; pure."""

import json

from workers.errors import ProviderUnavailableError
from workers.text_to_speech.contract import WordMark


def read_word_marks(body: bytes, text: str) -> tuple[WordMark, ...]:
    """`text` is what Polly was given. Raises ProviderUnavailableError for lines that are no speech marks."""
    encoded = text.encode()
    try:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        words = [line for line in lines if line["type"] == "word"]
        marks = [_mark(encoded, float(word["time"]), int(word["start"]), int(word["end"])) for word in words]
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderUnavailableError("Polly sent speech marks that cannot be read") from error
    return tuple(sorted(marks, key=lambda mark: mark.start_ms))


def _mark(encoded: bytes, time_ms: float, start_byte: int, end_byte: int) -> WordMark:
    return WordMark(time_ms, _characters(encoded, start_byte), _characters(encoded, end_byte))


def _characters(encoded: bytes, byte_count: int) -> int:
    return len(encoded[: max(byte_count, 0)].decode(errors="ignore"))
