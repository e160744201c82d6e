"""A worker's sign of life for probes: a file that says in which state its loop turned last, and when.

The loop itself writes it, so that a process that lives but no longer takes tasks is found; whoever reads it needs no
Redis. `nova health worker` (nova_site/entry.py) is the reader.
"""

import os
import time
from pathlib import Path
from typing import Final, Literal

import structlog

logger = structlog.get_logger(__name__)

State = Literal["ready", "connecting", "leaving"]
PAUSE_SECONDS: Final = 1.0


class WorkerBeat:
    """Used by one thread or greenlet, the one that consumes. A beat costs a write at most once a second."""

    def __init__(self, path: Path) -> None:
        self.is_timed = False
        """Set by whoever has given the beat to a timer."""
        self._path = path
        self._state: State | None = None
        self._written_at = 0.0
        self._has_failed = False

    def turned(self) -> None:
        """The loop came round and is connected to the broker."""
        self._beat("leaving" if self._state == "leaving" else "ready")

    def connecting(self) -> None:
        """The loop came round without a broker: alive, but no tasks come."""
        self._beat("leaving" if self._state == "leaving" else "connecting")

    def leaving(self) -> None:
        """From now on no tasks are taken."""
        self._beat("leaving")

    def _beat(self, state: State) -> None:
        now = time.monotonic()
        if state == self._state and now - self._written_at < PAUSE_SECONDS:
            return
        self._state, self._written_at = state, now
        try:
            self._write(f"{state} {now:.3f}")
        except OSError as error:
            self._complain(error)

    def _write(self, text: str) -> None:
        """Replaced as a whole: a reader never meets half a line."""
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.write_text(text)
        draft.replace(self._path)

    def _complain(self, error: OSError) -> None:
        """Once: a full disk must not end the talking, and the probe will say the rest."""
        if not self._has_failed:
            self._has_failed = True
            logger.error("worker_beat_failed", path=str(self._path), error=error.strerror)
