"""Which replies are cancelled, and the throw that ends their running tasks within a millisecond.

A flag cannot cut a call that waits for a model's first token, so ReplyCancelled is thrown into the greenlet itself.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import structlog

from workers.errors import NovaError, ReplyCancelled
from workers.streams import keys

logger = structlog.get_logger(__name__)
MAX_REMEMBERED = 20_000


class Cancellations:
    """One per worker process; every method runs in its gevent hub's thread."""

    def __init__(self) -> None:
        self._cancelled: OrderedDict[str, float] = OrderedDict()
        self._running: dict[str, set[gevent.Greenlet]] = {}

    def cancel(self, reply_id: str) -> None:
        self._cancelled[reply_id] = time.monotonic()
        self._forget_old()
        for greenlet in self._running.get(reply_id, ()):
            self._throw_soon(reply_id, greenlet, ReplyCancelled())

    def is_cancelled(self, reply_id: str) -> bool:
        return reply_id in self._cancelled

    @contextmanager
    def watched(self, reply_id: str) -> Iterator[None]:
        """Inside, the current greenlet gets ReplyCancelled as soon as the reply is cancelled; at once if it is already."""
        if self.is_cancelled(reply_id):
            raise ReplyCancelled
        greenlet = gevent.getcurrent()
        running = self._running.setdefault(reply_id, set())
        running.add(greenlet)
        try:
            yield
        finally:
            running.discard(greenlet)
            if not running:
                self._running.pop(reply_id, None)

    @property
    def running_count(self) -> int:
        return sum(len(greenlets) for greenlets in self._running.values())

    def end_all(self, make_error: Callable[[], NovaError]) -> list[str]:
        """Every running task gets an error of its own. Returns their replies."""
        for reply_id, greenlets in self._running.items():
            for greenlet in greenlets:
                self._throw_soon(reply_id, greenlet, make_error())
        return sorted(self._running)

    def _throw_soon(self, reply_id: str, greenlet: gevent.Greenlet, error: NovaError | ReplyCancelled) -> None:
        gevent.get_hub().loop.run_callback(self._throw, reply_id, greenlet, error)

    def _throw(self, reply_id: str, greenlet: gevent.Greenlet, error: NovaError | ReplyCancelled) -> None:
        """Runs in the hub: between this check and the throw no other greenlet can run."""
        if greenlet in self._running.get(reply_id, ()) and not greenlet.dead:
            greenlet.throw(error)

    def _forget_old(self) -> None:
        oldest_allowed = time.monotonic() - keys.REMEMBERED_SECONDS
        while self._cancelled:
            reply_id, cancelled_at = next(iter(self._cancelled.items()))
            if cancelled_at > oldest_allowed and len(self._cancelled) <= MAX_REMEMBERED:
                return
            del self._cancelled[reply_id]
