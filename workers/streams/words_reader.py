"""The workers' end of the transcripts and interrupts streams: one reader per process, from 120 s back."""

import threading
from collections.abc import Callable
from typing import Any

import redis
import structlog

from workers.streams import keys
from workers.streams.codec import from_json
from workers.streams.messages import InterruptEntry, TranscriptEntry
from workers.streams.redis_clients import BLOCK_MS

logger = structlog.get_logger(__name__)
RECONNECT_SECONDS = 0.2
BATCH_ENTRIES = 500


class WordsReader:
    """Feeds transcript and interrupt entries to two callbacks until `stop`; survives a Redis that goes away."""

    def __init__(
        self,
        client: "redis.Redis",
        on_transcript: Callable[[TranscriptEntry], None],
        on_interrupt: Callable[[InterruptEntry], None],
    ) -> None:
        self._client = client
        self._on_transcript = on_transcript
        self._on_interrupt = on_interrupt
        self._stopped = threading.Event()
        self._positions: dict[str, str] = {}

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read_once()
            except redis.RedisError as error:
                logger.warning("words_reader_reconnects", error=type(error).__name__)
                self._stopped.wait(RECONNECT_SECONDS)

    def stop(self) -> None:
        self._stopped.set()

    def _read_once(self) -> None:
        if not self._positions:
            start = self._start_position()
            self._positions = {keys.TRANSCRIPTS_STREAM: start, keys.INTERRUPTS_STREAM: start}
        positions: dict[Any, Any] = dict(self._positions)
        batches: Any = self._client.xread(positions, count=BATCH_ENTRIES, block=BLOCK_MS)
        for stream_name, entries in batches or ():
            name = stream_name.decode()
            for entry_id, fields in entries:
                self._dispatch(name, fields)
                self._positions[name] = entry_id.decode()

    def _start_position(self) -> str:
        seconds, _ = self._client.time()
        return f"{max(0, int(seconds) - keys.REMEMBERED_SECONDS) * 1000}-0"

    def _dispatch(self, stream: str, fields: dict[bytes, bytes]) -> None:
        try:
            if stream == keys.INTERRUPTS_STREAM:
                self._on_interrupt(from_json(InterruptEntry, fields[b"body"]))
            else:
                self._on_transcript(from_json(TranscriptEntry, fields[b"body"]))
        except (KeyError, ValueError) as error:
            logger.error("entry_unreadable", stream=stream, error=type(error).__name__)
