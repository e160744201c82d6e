"""Amazon Polly by SynthesizeSpeech: 16 kHz PCM out while Polly still sends; falls back by engine."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import botocore.exceptions
import structlog

from workers.aws_clients import error_code, limit_next_read, make_client, provider_errors, retry_before_first
from workers.errors import ProviderUnavailableError
from workers.settings import WorkerSettings
from workers.text_to_speech.contract import SpeechChunk, VoiceOptions
from workers.text_to_speech.polly_text import speakable_pieces

SAMPLE_RATE_HZ: Final = 16_000
BYTES_PER_SAMPLE: Final = 2
CHUNK_BYTES: Final = 3_200  # 100 ms
FIRST_BYTE_LIMIT_SECONDS: Final = 4.0
GAP_LIMIT_SECONDS: Final = 4.0

_SERVICE = "Polly"
_FALL_BACK = {"generative": "neural", "long-form": "neural", "neural": "standard"}
# Polly names some languages otherwise than Transcribe does.
_POLLY_LANGUAGES = {"zh-CN": "cmn-CN", "zh-TW": "cmn-CN", "zh-HK": "yue-CN", "ar-SA": "arb"}

log = structlog.get_logger(__name__)


class AwsPolly:
    """One boto3 client for the process; remembers which engine and language a voice really has."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._client = make_client(
            "polly",
            settings.aws,
            endpoint_url=settings.aws.polly_endpoint_url,
            max_streams=settings.max_concurrent_streams,
            read_limit_seconds=FIRST_BYTE_LIMIT_SECONDS,
        )
        self._engines: dict[tuple[str, str], str] = {}
        self._voices_without_language: set[tuple[str, str]] = set()

    def synthesize(self, text: str, voice: VoiceOptions) -> Iterator[SpeechChunk]:
        """Blank text makes no call. A long text is spoken piece by piece, each its own call."""
        for piece in speakable_pieces(text):
            deadline_at = time.monotonic() + 2 * FIRST_BYTE_LIMIT_SECONDS
            yield from retry_before_first(
                lambda piece=piece: self._attempt(piece, voice),  # type: ignore[misc]
                deadline_at=deadline_at,
            )

    def _attempt(self, text: str, voice: VoiceOptions) -> Iterator[SpeechChunk]:
        first_byte_until = time.monotonic() + FIRST_BYTE_LIMIT_SECONDS
        with provider_errors(_SERVICE), closing(self._open(text, voice)) as body:
            yield from _chunks(body._raw_stream, first_byte_until)

    def _open(self, text: str, voice: VoiceOptions) -> Any:
        """The answer's body, spoken by the first engine, from the wanted one down, that the voice has."""
        while True:
            arguments = self._arguments(text, voice)
            try:
                return self._checked_body(self._client.synthesize_speech(**arguments))
            except botocore.exceptions.ClientError as error:
                if not self._learn(voice, arguments["Engine"], error_code(error)):
                    raise

    def _arguments(self, text: str, voice: VoiceOptions) -> dict[str, Any]:
        arguments = {
            "Text": text,
            "TextType": "text",
            "OutputFormat": "pcm",
            "SampleRate": str(SAMPLE_RATE_HZ),
            "VoiceId": voice.voice,
            "Engine": self._engines.get((voice.voice, voice.engine), voice.engine),
        }
        if (voice.voice, voice.language) not in self._voices_without_language:
            arguments["LanguageCode"] = polly_language(voice.language)
        return arguments

    def _learn(self, voice: VoiceOptions, refused_engine: str, code: str) -> bool:
        """Remember what the voice lacks; False when that does not explain the refusal."""
        if code == "EngineNotSupportedException" and refused_engine in _FALL_BACK:
            used = _FALL_BACK[refused_engine]
            self._engines[voice.voice, voice.engine] = used
            log.warning("polly_engine_fell_back", voice=voice.voice, wanted=voice.engine, used=used)
            return True
        without = (voice.voice, voice.language)
        if code == "LanguageNotSupportedException" and without not in self._voices_without_language:
            self._voices_without_language.add(without)
            log.warning("polly_voice_lacks_language", voice=voice.voice, language=voice.language)
            return True
        return False

    def _checked_body(self, answer: dict[str, Any]) -> Any:
        body = answer["AudioStream"]
        if not str(answer.get("ContentType", "")).startswith("audio/pcm"):
            body.close()
            raise ProviderUnavailableError("Polly answered with something that is no PCM")
        return body


def polly_language(language: str) -> str:
    return _POLLY_LANGUAGES.get(language, language)


def _chunks(raw_response: Any, first_byte_until: float) -> Iterator[SpeechChunk]:
    """The first chunk leaves with the first whole sample, others as 100 ms; never half a sample."""
    held = b""
    wanted = BYTES_PER_SAMPLE
    for piece in _reads(raw_response, first_byte_until):
        held += piece
        while len(held) >= wanted:
            size = min(CHUNK_BYTES, len(held) - len(held) % BYTES_PER_SAMPLE)
            yield SpeechChunk(held[:size], SAMPLE_RATE_HZ)
            held = held[size:]
            wanted = CHUNK_BYTES
    rest = held[: len(held) - len(held) % BYTES_PER_SAMPLE]
    if rest:
        yield SpeechChunk(rest, SAMPLE_RATE_HZ)
    elif wanted == BYTES_PER_SAMPLE:
        raise ProviderUnavailableError("Polly sent no sound")


def _reads(raw_response: Any, first_byte_until: float) -> Iterator[bytes]:
    """What has arrived, at most one chunk at a time; `read` would wait until a whole chunk is there."""
    limit_next_read(raw_response, first_byte_until - time.monotonic())
    while piece := raw_response.read1(CHUNK_BYTES):
        yield piece
        limit_next_read(raw_response, GAP_LIMIT_SECONDS)
