"""A session's way to its client: facts in the order they happen, held back for a moment when asked."""

import asyncio

from sessions.live import facts
from sessions.live.transport import Transport

HOLD_SECONDS = 0.005
"""Publishing takes 2 to 4 ms; telling the client of the turn took as long beside it, on the same interpreter."""


class Telling:
    """One per session. Without a transport nothing is told."""

    def __init__(self, transport: Transport) -> None:
        self._transport: Transport | None = transport
        self._held: list[facts.Fact] | None = None

    @property
    def holds_playback(self) -> bool:
        return self._transport is not None and self._transport.holds_playback

    def deliver(self, fact: facts.Fact) -> None:
        if isinstance(fact, facts.PlaybackFlushed):
            self.release()
        if self._held is not None:
            self._held.append(fact)
        elif self._transport is not None:
            self._transport.deliver(fact)

    def hold(self) -> None:
        """A turn has ended: what is told of it waits a moment, so that its reply is asked for before anything else."""
        if self._held is None:
            self._held = []
            asyncio.get_running_loop().call_later(HOLD_SECONDS, self.release)

    def release(self) -> None:
        held, self._held = self._held, None
        for fact in held or ():
            self.deliver(fact)

    def part_from(self, transport: Transport) -> bool:
        """False when the session is told through another one by now."""
        is_ours = transport is self._transport
        if is_ours:
            self._transport = None
        return is_ours

    def end(self) -> Transport | None:
        """Nothing more is told; what was held is, before that. Returns the transport, for the caller to end."""
        self.release()
        transport, self._transport = self._transport, None
        return transport
