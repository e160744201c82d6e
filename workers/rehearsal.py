"""A provider's next call, made ready while its task still waits: built and signed as the real one will be, never sent.

What would stand in the way of the first call after a pause is done then: credentials that are too old are fetched
(a role's are, every hour, while the user waits), and the SDK's code is where the processor finds it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import gevent
import structlog

from workers.errors import ProviderError

logger = structlog.get_logger(__name__)
WAITED_SECONDS = 0.02
"""A request that comes sooner was there already, and must not wait for a rehearsal."""
REMEMBERED_SECONDS = 1.0


@runtime_checkable
class Rehearsing(Protocol):
    """What a provider may offer beside its contract."""

    def rehearse(self) -> None:
        """Do all of a call but sending it. Raises a ProviderError."""
        ...


class Rehearsal:
    """One provider's, in a worker process."""

    def __init__(self, provider: object) -> None:
        self._provider = provider if isinstance(provider, Rehearsing) else None
        self._next_at = 0.0

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Inside, a task waits for its request. A rehearsal that has begun is not broken off: it ends by itself."""
        timer = gevent.get_hub().loop.timer(WAITED_SECONDS)
        if self._provider is not None:
            timer.start(gevent.spawn, self._rehearse, self._provider)
        try:
            yield
        finally:
            timer.stop()
            timer.close()

    def _rehearse(self, provider: Rehearsing) -> None:
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + REMEMBERED_SECONDS
        try:
            provider.rehearse()
        except ProviderError as error:
            logger.warning("rehearsal_failed", code=error.code, text=error.text)
