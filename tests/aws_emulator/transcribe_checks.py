"""Owns the rules Transcribe applies to the parameters of a stream and to its audio chunks; keeps nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

_LANGUAGES = """
        en-US en-GB es-US fr-CA fr-FR en-AU it-IT de-DE pt-BR ja-JP ko-KR zh-CN th-TH es-ES ar-SA
pt-PT ca-ES          ar-AE hi-IN zh-HK nl-NL no-NO sv-SE pl-PL fi-FI zh-TW en-IN en-IE en-AB en-WL
en-ZA en-NZ de-CH af-ZA          el-GR eu-ES fa-IR gl-ES he-IL hr-HR id-ID lv-LV ms-MY ro-RO ru-RU
sk-SK so-SO sr-RS tl-PH tr-TR uk-UA          vi-VN zu-ZA cs-CZ da-DK
"""
LANGUAGES = tuple(_LANGUAGES.split())
ENCODINGS = ("pcm", "ogg-opus", "flac")
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
MAX_CHUNK_MS = 1_000
BYTES_PER_SAMPLE = 2
_SESSION_ID = re.compile(r"[a-fA-F0-9]{8}-(?:[a-fA-F0-9]{4}-){3}[a-fA-F0-9]{12}")

STATUS_OF = {
    "BadRequestException": 400,
    "ConflictException": 409,
    "InternalFailureException": 500,
    "LimitExceededException": 429,
    "ServiceUnavailableException": 503,
}
MESSAGE_OF = {
    "LimitExceededException": "You have reached your limit of concurrent streams. Wait and try again.",
    "ServiceUnavailableException": "Service is currently unavailable. Try your request later.",
    "InternalFailureException": "A problem occurred while processing the audio. Amazon Transcribe terminated "
    "processing.",
    "ConflictException": "A new stream started with the same session ID. The current stream is terminated.",
}


class StreamRefusedError(Exception):
    """Transcribe's exceptions, before the stream or in the middle of it."""

    def __init__(self, exception_type: str, message: str | None = None, status: int | None = None) -> None:
        self.exception_type = exception_type
        self.message = message or MESSAGE_OF.get(exception_type, exception_type)
        self.status = status or STATUS_OF.get(exception_type, 400)
        super().__init__(self.message)


@dataclass(frozen=True)
class StreamParameters:
    language_code: str
    language_identified: bool
    rate_hz: int
    encoding: str
    channels: int
    stabilizes: bool
    session_id: str

    @property
    def bytes_per_ms(self) -> float:
        return self.rate_hz * self.channels * BYTES_PER_SAMPLE / 1000

    def check_chunk(self, chunk: bytes) -> None:
        if self.encoding != "pcm":
            return
        if len(chunk) % (BYTES_PER_SAMPLE * self.channels):
            raise StreamRefusedError(
                "BadRequestException",
                f"The audio chunk has {len(chunk)} bytes, which is no whole number of samples.",
            )
        if len(chunk) > MAX_CHUNK_MS * self.bytes_per_ms:
            raise StreamRefusedError("BadRequestException", "The audio chunk is longer than the maximum of 1 second.")


def check_parameters(raw: Mapping[str, str]) -> StreamParameters:
    """`raw` has the service's own names without their prefix, as in `language-code` and `sample-rate`."""
    language_code, identified = _language(raw)
    encoding = _one_of(raw, "media-encoding", "mediaEncoding", ENCODINGS)
    stabilizes = _flag(raw, "enable-partial-results-stabilization")
    if "partial-results-stability" in raw:
        _one_of(raw, "partial-results-stability", "partialResultsStability", ("high", "medium", "low"))
        if not stabilizes:
            raise _bad("You must enable partial results stabilization to set the stability level.")
    if _flag(raw, "show-speaker-label") and _flag(raw, "enable-channel-identification"):
        raise _bad("You can't set both ShowSpeakerLabel and EnableChannelIdentification in the same request.")
    session_id = raw.get("session-id") or str(uuid4())
    if not _SESSION_ID.fullmatch(session_id):
        raise _constraint(session_id, "sessionId", f"regular expression pattern: {_SESSION_ID.pattern}")
    channels = _whole(raw.get("number-of-channels", "1"), "numberOfChannels", 1, 2)
    rate_hz = _whole(raw.get("sample-rate"), "mediaSampleRateHertz", MIN_RATE_HZ, MAX_RATE_HZ)
    return StreamParameters(language_code, identified, rate_hz, encoding, channels, stabilizes, session_id)


def _language(raw: Mapping[str, str]) -> tuple[str, bool]:
    identifies = _flag(raw, "identify-language"), _flag(raw, "identify-multiple-languages")
    if sum((bool(raw.get("language-code")), *identifies)) != 1:
        raise _bad("You must set exactly one of LanguageCode, IdentifyLanguage and IdentifyMultipleLanguages.")
    if raw.get("language-code"):
        return _one_of(raw, "language-code", "languageCode", LANGUAGES), False
    options = [option.strip() for option in raw.get("language-options", "").split(",") if option.strip()]
    unknown = [option for option in options if option not in LANGUAGES]
    if len(options) < 2 or unknown:
        raise _bad("You must include at least two supported language codes in LanguageOptions.")
    return raw.get("preferred-language") or options[0], True


def _one_of(raw: Mapping[str, str], name: str, field: str, allowed: tuple[str, ...]) -> str:
    value = raw.get(name, "")
    if value not in allowed:
        raise _constraint(value, field, f"enum value set: [{', '.join(allowed)}]")
    return value


def _whole(value: str | None, field: str, low: int, high: int) -> int:
    if value is None or not value.isdigit() or not low <= int(value) <= high:
        raise _constraint(value, field, f"value between {low} and {high}", "have")
    return int(value)


def _flag(raw: Mapping[str, str], name: str) -> bool:
    return raw.get(name, "false").lower() == "true"


def _constraint(value: str | None, field: str, wanted: str, verb: str = "satisfy") -> StreamRefusedError:
    return _bad(
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
        f"Member must {verb} {wanted}"
    )


def _bad(message: str) -> StreamRefusedError:
    return StreamRefusedError("BadRequestException", message)
