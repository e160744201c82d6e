"""Who watches which session from this web process: asks its owner, wherever that is, to show it, and hands on what comes."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from workers.errors import ConfigurationError, NovaError
from workers.streams import keys
from workers.streams.messages import AnyControl, WatchedFact, WatchSession

RENEW_SECONDS = 3.0
WAITING_EVENTS = 500
ONLOOKERS_MAX = 50
Shown = dict[str, Any]


class TooManyOnlookersError(NovaError):
    code = "too_many_onlookers"
    retriable = True


class Onlooker:
    """One open live view. Its queue is bounded: one that does not read misses the oldest."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._events: asyncio.Queue[Shown] = asyncio.Queue(WAITING_EVENTS)

    def put(self, event: Shown) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)

    async def next(self) -> Shown:
        return await self._events.get()


class Onlookers:
    """One per web process; event loop only."""

    def __init__(self, web_id: str, publish_control: Callable[[AnyControl], Awaitable[None]]) -> None:
        self._output_stream = keys.output_stream(web_id)
        self._publish_control = publish_control
        self._by_session: dict[str, set[Onlooker]] = {}

    def __len__(self) -> int:
        return sum(len(onlookers) for onlookers in self._by_session.values())

    @contextlib.contextmanager
    def joined(self, session_id: str) -> Iterator[Onlooker]:
        """Raises TooManyOnlookersError."""
        if len(self) >= ONLOOKERS_MAX:
            raise TooManyOnlookersError("too many live views are open on this server; close one")
        onlooker = Onlooker(session_id)
        self._by_session.setdefault(session_id, set()).add(onlooker)
        try:
            yield onlooker
        finally:
            self._by_session[session_id].discard(onlooker)
            if not self._by_session[session_id]:
                del self._by_session[session_id]

    async def ask(self, session_id: str) -> None:
        """Raises RedisError."""
        await self._publish_control(WatchSession(session_id, self._output_stream))

    async def ask_again(self) -> None:
        """Called every RENEW_SECONDS. Raises RedisError."""
        for session_id in list(self._by_session):
            await self.ask(session_id)

    def take(self, fact: WatchedFact) -> None:
        for onlooker in self._by_session.get(fact.session_id, ()):
            onlooker.put({"name": fact.name, "at_ms": int(time.time() * 1_000), **fact.body})


_onlookers: list[Onlookers] = []


def set_onlookers(onlookers: Onlookers) -> None:
    """Called once by the web process; a later call replaces the first."""
    _onlookers[:] = [onlookers]


def current_onlookers() -> Onlookers:
    if not _onlookers:
        raise ConfigurationError("no web process runs here: live views need `manage.py serve`")
    return _onlookers[0]
