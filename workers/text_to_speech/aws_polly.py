"""Amazon Polly by SynthesizeSpeech: 16 kHz PCM out while Polly still sends; falls back by engine; times of words."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import botocore.exceptions
import structlog

from workers import metrics
from workers.aws_clients import (
    THROTTLED_CODES,
    error_code,
    limit_next_read,
    make_client,
    provider_errors,
    rehearse_call,
    retry_before_first,
)
from workers.errors import ProviderTimeoutError, ProviderUnavailableError
from workers.settings import WorkerSettings
from workers.streams.redis_clients import command_client
from workers.text_to_speech.contract import SpeechChunk, Urgency, VoiceOptions, WordMark
from workers.text_to_speech.polly_limiter import PollyLimiter
from workers.text_to_speech.polly_marks import read_word_marks
from workers.text_to_speech.polly_text import speakable_pieces
from workers.text_to_speech.polly_voices import next_engine, polly_language
from workers.text_to_speech.text_places import marks_in

SAMPLE_RATE_HZ: Final = 16_000
BYTES_PER_SAMPLE: Final = 2
CHUNK_BYTES: Final = 3_200  # 100 ms
FIRST_BYTE_LIMIT_SECONDS: Final = 4.0
GAP_LIMIT_SECONDS: Final = 4.0
PLACE_LIMIT_SECONDS: Final = 6.0
"""How long a call may wait for the limiter, its retries included."""
MARKS_PLACE_LIMIT_SECONDS: Final = 2.0
MAX_TIMEOUTS: Final = 2
LIMITER_CONNECTIONS: Final = 32

_SERVICE = "Polly"
_SPEECH = {"OutputFormat": "pcm", "SampleRate": str(SAMPLE_RATE_HZ)}
_REHEARSED: Final = VoiceOptions("Ruth", "generative", "en-US")
_MARKS = {"OutputFormat": "json", "SpeechMarkTypes": ["word"]}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Call:
    """One piece of text on its way through Polly, with what its attempts have cost so far."""

    text: str
    voice: VoiceOptions
    urgency: Urgency
    wait_until: float
    timeouts: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    body: Any
    content_type: str
    engine: str
    billed_characters: int
    asked_at: float


class AwsPolly:
    """One boto3 client for the process; remembers which engine and language a voice really has.

    Polly gets plain text, never SSML: no character of it can be taken for a tag.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._client = make_client(
            "polly",
            settings.aws,
            endpoint_url=settings.aws.polly_endpoint_url,
            max_streams=settings.max_concurrent_streams,
            read_limit_seconds=FIRST_BYTE_LIMIT_SECONDS,
        )
        client = command_client(settings.redis_url, max_connections=LIMITER_CONNECTIONS)
        self._limiter = PollyLimiter(client, settings.polly_limits)
        self._engines: dict[tuple[str, str], str] = {}
        self._voices_without_language: set[tuple[str, str]] = set()

    def synthesize(
        self, text: str, voice: VoiceOptions, urgency: Urgency = Urgency.LATER_SENTENCE
    ) -> Iterator[SpeechChunk]:
        """Blank text makes no call. A long text is spoken piece by piece, each its own call."""
        for piece in speakable_pieces(text):
            call = _Call(piece, voice, urgency, time.monotonic() + PLACE_LIMIT_SECONDS)
            yield from retry_before_first(
                lambda call=call: self._attempt(call),  # type: ignore[misc]
                service=_SERVICE,
                deadline_at=call.wait_until + FIRST_BYTE_LIMIT_SECONDS,
            )

    def rehearse(self) -> None:
        call = _Call("hello", _REHEARSED, Urgency.FIRST_SENTENCE, time.monotonic())
        rehearse_call(_SERVICE, self._client.synthesize_speech, {**self._arguments(call, _REHEARSED.engine), **_SPEECH})

    def word_marks(self, text: str, voice: VoiceOptions) -> tuple[WordMark, ...]:
        """One call, never repeated, and only while no speech waits for its own."""
        pieces = speakable_pieces(text)
        if not pieces:
            return ()
        call = _Call(pieces[0], voice, Urgency.WORD_MARKS, time.monotonic() + MARKS_PLACE_LIMIT_SECONDS)
        with provider_errors(_SERVICE), self._answer(call, _MARKS, "application/x-json-stream") as answer:
            body: bytes = answer.body.read()
        return marks_in(text, call.text, read_word_marks(body, call.text))

    def _attempt(self, call: _Call) -> Iterator[SpeechChunk]:
        has_sound = False
        try:
            with provider_errors(_SERVICE), self._answer(call, _SPEECH, "audio/pcm") as answer:
                for pcm in _chunks(answer.body._raw_stream, answer.asked_at + FIRST_BYTE_LIMIT_SECONDS):
                    yield SpeechChunk(pcm, SAMPLE_RATE_HZ, answer.engine, 0 if has_sound else answer.billed_characters)
                    has_sound = True
        except ProviderTimeoutError as error:
            call.timeouts += 1
            error.retriable = has_sound or call.timeouts < MAX_TIMEOUTS
            raise

    @contextmanager
    def _answer(self, call: _Call, output: dict[str, Any], content_type: str) -> Iterator[_Answer]:
        """Polly's open answer, by the first engine, from the wanted one down, that the voice has."""
        while True:
            engine = self._engines.get((call.voice.voice, call.voice.engine), call.voice.engine)
            with self._limiter.place(engine, call.urgency, call.wait_until):
                try:
                    answer = self._ask(call, engine, output)
                except botocore.exceptions.ClientError as error:
                    if not self._learn(call.voice, engine, error_code(error)):
                        raise
                    continue
                try:
                    if not answer.content_type.startswith(content_type):
                        raise ProviderUnavailableError(f"Polly answered with something that is no {content_type}")
                    yield answer
                finally:
                    answer.body.close()
                    _tell_bill(call, answer)
                return

    def _ask(self, call: _Call, engine: str, output: dict[str, Any]) -> _Answer:
        asked_at = time.monotonic()
        answer = self._client.synthesize_speech(**self._arguments(call, engine), **output)
        billed = int(answer.get("RequestCharacters") or len(call.text))
        return _Answer(answer["AudioStream"], str(answer.get("ContentType", "")), engine, billed, asked_at)

    def _arguments(self, call: _Call, engine: str) -> dict[str, Any]:
        voice = call.voice
        arguments = {"Text": call.text, "TextType": "text", "VoiceId": voice.voice, "Engine": engine}
        if (voice.voice, voice.language) not in self._voices_without_language:
            arguments["LanguageCode"] = polly_language(voice.language)
        return arguments

    def _learn(self, voice: VoiceOptions, refused_engine: str, code: str) -> bool:
        """Remember what the voice lacks; False when that does not explain the refusal."""
        if code in THROTTLED_CODES:
            metrics.VOICE_THROTTLED.of(refused_engine).inc()
            log.warning("polly_throttled", engine=refused_engine)
            self._limiter.slow_down(refused_engine)
            return False
        used = next_engine(voice.voice, refused_engine)
        if code == "EngineNotSupportedException" and used is not None:
            self._engines[voice.voice, voice.engine] = used
            metrics.count_engine_fall_back(voice.engine, used)
            log.warning("polly_engine_fell_back", voice=voice.voice, wanted=voice.engine, used=used)
            return True
        without = (voice.voice, voice.language)
        if code == "LanguageNotSupportedException" and without not in self._voices_without_language:
            self._voices_without_language.add(without)
            log.warning("polly_voice_lacks_language", voice=voice.voice, language=voice.language)
            return True
        return False


def _tell_bill(call: _Call, answer: _Answer) -> None:
    """At the answer's end, however it came: before the first sound it would stand in its way."""
    purpose = call.urgency.name.lower()
    metrics.count_characters(answer.engine, purpose, answer.billed_characters)
    log.info("polly_billed", characters=answer.billed_characters, engine=answer.engine, purpose=purpose)


def _chunks(raw_response: Any, first_byte_until: float) -> Iterator[bytes]:
    """The first chunk leaves with the first whole sample, others as 100 ms; never half a sample."""
    held = b""
    wanted = BYTES_PER_SAMPLE
    for piece in _reads(raw_response, first_byte_until):
        held += piece
        while len(held) >= wanted:
            size = min(CHUNK_BYTES, len(held) - len(held) % BYTES_PER_SAMPLE)
            yield held[:size]
            held = held[size:]
            wanted = CHUNK_BYTES
    rest = held[: len(held) - len(held) % BYTES_PER_SAMPLE]
    if rest:
        yield rest
    elif wanted == BYTES_PER_SAMPLE:
        raise ProviderUnavailableError("Polly sent no sound")


def _reads(raw_response: Any, first_byte_until: float) -> Iterator[bytes]:
    """What has arrived, at most one chunk at a time; `read` would wait until a whole chunk is there."""
    limit_next_read(raw_response, first_byte_until - time.monotonic())
    while piece := raw_response.read1(CHUNK_BYTES):
        yield piece
        limit_next_read(raw_response, GAP_LIMIT_SECONDS)
