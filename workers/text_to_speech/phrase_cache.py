"""The sound of fixed phrases, kept in Redis for all workers: bounded in number, size and age."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import redis
import structlog

from workers.text_to_speech.contract import SpeechChunk, VoiceOptions, WordMark

MAX_PHRASES: Final = 200
MAX_PHRASE_BYTES: Final = 1_000_000  # half a minute at 16 kHz
LIFE_SECONDS: Final = 24 * 3_600
CHUNK_MS: Final = 100

_USED: Final = "nova:phrases:used"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptPhrase:
    pcm: bytes
    sample_rate_hz: int
    engine: str
    words: tuple[WordMark, ...] = ()

    def chunks(self) -> Iterator[SpeechChunk]:
        size = self.sample_rate_hz * CHUNK_MS // 1_000 * 2
        for start in range(0, len(self.pcm), size):
            yield SpeechChunk(self.pcm[start : start + size], self.sample_rate_hz, self.engine)


def phrase_key(provider: object, text: str, voice: VoiceOptions) -> str:
    """By all that decides the sound. A provider has one rate; a phrase is kept with the rate it was made at."""
    made_by = f"{type(provider).__module__}.{type(provider).__qualname__}"
    parts = [made_by, voice.voice, voice.engine, voice.language, text]
    return "nova:phrase:" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class PhraseCache:
    """The least used phrases go first. With Redis away nothing is found and nothing is kept."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def find(self, key: str) -> KeptPhrase | None:
        try:
            fields: Any = self._client.hgetall(key)
            if not fields:
                return None
            self._client.zadd(_USED, {key: time.time()})
            return _phrase(fields)
        except (redis.RedisError, ValueError, KeyError, TypeError) as error:
            log.warning("phrase_unreadable", error=type(error).__name__)
            return None

    def keep(self, key: str, phrase: KeptPhrase) -> None:
        if not phrase.pcm or len(phrase.pcm) > MAX_PHRASE_BYTES:
            return
        words = json.dumps([(word.start_ms, word.start, word.end) for word in phrase.words])
        fields: Any = {"pcm": phrase.pcm, "rate_hz": phrase.sample_rate_hz, "engine": phrase.engine, "words": words}
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.hset(key, mapping=fields)
            pipeline.expire(key, LIFE_SECONDS)
            pipeline.zadd(_USED, {key: time.time()})
            pipeline.execute()
            self._drop_surplus()
        except redis.RedisError as error:
            log.warning("phrase_not_kept", error=type(error).__name__)

    def _drop_surplus(self) -> None:
        """Also those whose life is over: their names would count for ever."""
        self._client.zremrangebyscore(_USED, "-inf", time.time() - LIFE_SECONDS)
        surplus: Any = self._client.zrange(_USED, 0, -MAX_PHRASES - 1)
        if surplus:
            self._client.delete(*surplus)
            self._client.zrem(_USED, *surplus)


def _phrase(fields: dict[bytes, bytes]) -> KeptPhrase:
    words = tuple(WordMark(float(at), int(start), int(end)) for at, start, end in json.loads(fields[b"words"]))
    return KeptPhrase(fields[b"pcm"], int(fields[b"rate_hz"]), fields[b"engine"].decode(), words)
