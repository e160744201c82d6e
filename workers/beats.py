"""Signs of life of the running tasks of one process, every half second, all in one round trip."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from workers.errors import StreamsUnavailableError
from workers.streams import keys
from workers.streams.messages import Address, TaskBeat
from workers.streams.output_writer import OutputWriter

logger = structlog.get_logger(__name__)


class Beats:
    """One per worker process; `run` is its own greenlet."""

    def __init__(self, writer: OutputWriter) -> None:
        self._writer = writer
        self._running: set[tuple[Address, int]] = set()
        self._stopped = threading.Event()

    @contextmanager
    def beating(self, address: Address, sentence_index: int) -> Iterator[None]:
        key = (address, sentence_index)
        self._running.add(key)
        try:
            yield
        finally:
            self._running.discard(key)

    def run(self) -> None:
        while not self._stopped.wait(keys.BEAT_INTERVAL_SECONDS):
            if not self._running:
                continue
            try:
                self._writer.write_beats([(address.output_stream, _beat(address, i)) for address, i in self._running])
            except StreamsUnavailableError as error:
                logger.warning("beats_lost", error=error.text)

    def stop(self) -> None:
        self._stopped.set()


def _beat(address: Address, sentence_index: int) -> TaskBeat:
    return TaskBeat(address.session_id, address.generation, address.reply_id, sentence_index)
