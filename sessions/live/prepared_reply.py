"""A reply task published while the user still speaks, so that it runs already when there is something to answer."""

from sessions.live.ids import new_id
from sessions.live.work_desk import WorkDesk
from workers.streams.keys import PREPARED_REPLY_SECONDS
from workers.streams.messages import InterruptEntry

USABLE_MS = PREPARED_REPLY_SECONDS * 1_000 - 2_500
"""Shorter than the task waits: it may have begun late, never early, and must not leave before its request comes."""


class PreparedReply:
    """At most one per session. It is bound to no turn: what the user's words do not use, the next ones do."""

    def __init__(self, desk: WorkDesk) -> None:
        self._desk = desk
        self._reply_id: str | None = None
        self._asked_ms = 0.0

    def prepare(self, now_ms: float) -> None:
        if self._is_usable(now_ms):
            return
        self._reply_id, self._asked_ms = new_id("resp"), now_ms
        self._desk.prepare_reply(f"{self._reply_id}.0")

    def take(self, now_ms: float) -> str | None:
        """The id of a reply whose task waits for its request; it is the caller's from now on."""
        reply_id = self._reply_id if self._is_usable(now_ms) else None
        self._reply_id = None
        return reply_id

    def call_off(self, session_id: str, generation: int) -> None:
        if self._reply_id is not None:
            self._desk.interrupt(InterruptEntry(session_id, generation, f"{self._reply_id}.0"))
            self._reply_id = None

    def _is_usable(self, now_ms: float) -> bool:
        return self._reply_id is not None and now_ms - self._asked_ms < USABLE_MS
