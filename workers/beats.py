"""Signs of life of the running tasks of one process: a reply's first at once, then all every half second in one round trip."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from workers.errors import StreamsUnavailableError
from workers.streams import keys
from workers.streams.messages import Address, TaskBeat
from workers.streams.output_writer import OutputWriter

logger = structlog.get_logger(__name__)
REPLY_TASK = -1

_Task = tuple[Address, int]


class Beats:
    """One per worker process; `run` is its own greenlet."""

    def __init__(self, writer: OutputWriter) -> None:
        self._writer = writer
        self._running: set[_Task] = set()
        self._begun: list[_Task] = []
        self._is_stopped = False
        self._wanted = threading.Event()

    @contextmanager
    def beating(self, address: Address, sentence_index: int) -> Iterator[None]:
        key = (address, sentence_index)
        self._running.add(key)
        if sentence_index == REPLY_TASK:
            self._begun.append(key)
            self._wanted.set()
        try:
            yield
        finally:
            self._running.discard(key)

    def run(self) -> None:
        next_at = time.monotonic() + keys.BEAT_INTERVAL_SECONDS
        while not self._is_stopped:
            self._wanted.wait(max(0.0, next_at - time.monotonic()))
            self._wanted.clear()
            begun, self._begun = self._begun, []
            self._write(begun)
            if time.monotonic() >= next_at:
                self._write(list(self._running))
                next_at = time.monotonic() + keys.BEAT_INTERVAL_SECONDS

    def stop(self) -> None:
        self._is_stopped = True
        self._wanted.set()

    def _write(self, tasks: list[_Task]) -> None:
        if not tasks:
            return
        try:
            self._writer.write_beats([(address.output_stream, _beat(address, index)) for address, index in tasks])
        except StreamsUnavailableError as error:
            logger.warning("beats_lost", error=error.text)


def _beat(address: Address, sentence_index: int) -> TaskBeat:
    return TaskBeat(address.session_id, address.generation, address.reply_id, sentence_index)
