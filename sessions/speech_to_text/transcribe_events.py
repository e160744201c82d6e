"""Transcribe's own words: audio event frames out, transcript events and exceptions in; pure, no network."""

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.contract import Transcript, Word
from workers.errors import (
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderUnavailableError,
)

_IDLE_WORDS = ("no new audio was received", "timed out")
_BUSY_CODES = frozenset({"LimitExceededException", "ThrottlingException", "TooManyRequestsException"})
_UNAVAILABLE_CODES = frozenset(
    {
        "ConflictException",
        "InternalFailureException",
        "InternalServerException",
        "ServiceUnavailableException",
    }
)
_STALE_CREDENTIALS_CODES = frozenset(
    {
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
STALE_CREDENTIALS: Final = "stt_credentials"


def _header(name: str, value: str) -> bytes:
    """One event-stream header of the string type (7)."""
    encoded_name, encoded_value = name.encode(), value.encode()
    return struct.pack(f"!B{len(encoded_name)}sBH", len(encoded_name), encoded_name, 7, len(encoded_value)) + (
        encoded_value
    )


_AUDIO_HEADERS: Final = b"".join(
    _header(name, value)
    for name, value in (
        (":content-type", "application/octet-stream"),
        (":event-type", "AudioEvent"),
        (":message-type", "event"),
    )
)


def audio_event(pcm: bytes) -> bytes:
    """One event-stream message; an empty one says that no more audio comes."""
    total_length = len(_AUDIO_HEADERS) + len(pcm) + 16
    prelude = struct.pack("!II", total_length, len(_AUDIO_HEADERS))
    message = b"".join((prelude, struct.pack("!I", zlib.crc32(prelude)), _AUDIO_HEADERS, pcm))
    return message + struct.pack("!I", zlib.crc32(message))


def transcripts_of(headers: dict[str, Any], payload: bytes, clock: AudioClock) -> list[Transcript]:
    """All results of one message, empty ones dropped. Raises the error an exception message stands for."""
    try:
        body = json.loads(payload) if payload else {}
    except ValueError as error:
        raise ProviderUnavailableError("Transcribe sent an event that cannot be read") from error
    if headers.get(":message-type") in ("exception", "error"):
        code = headers.get(":exception-type") or headers.get(":error-code") or "Unknown"
        message = body.get("Message") or body.get("message") or headers.get(":error-message") or ""
        raise transcribe_error(str(code), str(message))
    if headers.get(":event-type") != "TranscriptEvent":
        return []
    try:
        results = (body.get("Transcript") or {}).get("Results") or ()
        return [transcript for result in results if (transcript := _transcript(result, clock)) is not None]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ProviderUnavailableError("Transcribe sent a result that cannot be read") from error


def transcribe_error(code: str, message: str, http_status: int = 400) -> ProviderError:
    """The idle message is the one bad request worth another stream; any other of that code is our fault."""
    text = f"Transcribe: {code}: {message}"
    if code in _BUSY_CODES or http_status == 429:
        return ProviderThrottledError(text, code="stt_busy")
    if code in _UNAVAILABLE_CODES or http_status >= 500:
        return ProviderUnavailableError(text)
    if code in _STALE_CREDENTIALS_CODES or http_status in (401, 403):
        return ProviderRefusedError(text, code=STALE_CREDENTIALS)
    if code == "BadRequestException" and any(words in message for words in _IDLE_WORDS):
        return ProviderUnavailableError(text, code="stt_idle")
    return ProviderRefusedError(text)


def _transcript(result: dict[str, Any], clock: AudioClock) -> Transcript | None:
    alternatives: Sequence[dict[str, Any]] = result.get("Alternatives") or ()
    text = str((alternatives[0].get("Transcript") if alternatives else "") or "").strip()
    if not text:
        return None
    is_final = not result.get("IsPartial", False)
    items: Sequence[dict[str, Any]] = alternatives[0].get("Items") or ()
    return Transcript(
        segment_id=str(result.get("ResultId") or ""),
        text=text,
        is_final=is_final,
        stable_text=text if is_final else stable_beginning(text, items),
        start_ms=_client_ms(result.get("StartTime"), clock),
        end_ms=_client_ms(result.get("EndTime"), clock),
        words=words_of(text, items, clock),
    )


def stable_beginning(text: str, items: Sequence[dict[str, Any]]) -> str:
    """The part of `text` that the leading stable items cover; items carry no spaces, so they are sought."""
    end = 0
    for item in items:
        found = _find(text, end, item)
        if not item.get("Stable") or found is None:
            break
        end = found
    return text[:end]


def words_of(text: str, items: Sequence[dict[str, Any]], clock: AudioClock) -> tuple[Word, ...]:
    """When each word was said; nothing when the items are not those of the text."""
    words: list[Word] = []
    end = 0
    for item in items:
        found = _find(text, end, item)
        if found is None:
            return ()
        end = found
        if item.get("Type") == "punctuation" and words:
            words[-1] = replace(words[-1], text_end=end)
        elif item.get("Type") != "punctuation" and item.get("Content"):
            words.append(Word(_client_ms(item.get("StartTime"), clock), _client_ms(item.get("EndTime"), clock), end))
    return tuple(words) if end == len(text) else ()


def _find(text: str, start: int, item: dict[str, Any]) -> int | None:
    """Where the item ends that begins at `start`, spaces aside; None when something else stands there."""
    content = str(item.get("Content") or "")
    position = len(text) - len(text[start:].lstrip())
    return position + len(content) if text.startswith(content, position) else None


def _client_ms(service_seconds: float | None, clock: AudioClock) -> int:
    return clock.client_ms(float(service_seconds or 0) * 1000)
