"""A session's way to its client: facts in the order they happen, held back for a moment when asked."""

import asyncio
from collections.abc import Callable

from sessions.live import facts
from sessions.live.mirror import Mirror
from sessions.live.transport import Transport

HOLD_SECONDS = 0.005
"""Publishing takes 2 to 4 ms; telling the client of the turn took as long beside it, on the same interpreter."""


class Telling:
    """One per session. Without a transport nothing is told; who watches by the mirror is shown it all the same.
    `on_told(is_sound)` hears of each fact that was told."""

    def __init__(self, transport: Transport, mirror: Mirror, on_told: Callable[[bool], None]) -> None:
        self._on_told = on_told
        self._transport: Transport | None = transport
        self._mirror = mirror
        self._held: list[facts.Fact] | None = None
        self._away_since: float | None = None
        self._is_mute = False

    @property
    def transport(self) -> Transport | None:
        return self._transport

    @property
    def is_settled(self) -> bool:
        """Nothing waits to be told."""
        return self._held is None

    @property
    def is_away(self) -> bool:
        """The client has lost its connection and may come back."""
        return self._away_since is not None

    @property
    def away_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._away_since if self._away_since is not None else 0.0

    @property
    def holds_playback(self) -> bool:
        return self._transport is not None and self._transport.holds_playback

    def deliver(self, fact: facts.Fact) -> None:
        if isinstance(fact, facts.PlaybackFlushed):
            self.release()
        if self._held is not None:
            self._held.append(fact)
            return
        if self._transport is not None and not self._is_mute:
            self._transport.deliver(fact)
            self._on_told(isinstance(fact, facts.ReplyAudioAdded))
        self._mirror.reflect(fact)

    def hold(self) -> None:
        """A turn has ended: what is told of it waits a moment, so that its reply is asked for before anything else."""
        if self._held is None:
            self._held = []
            asyncio.get_running_loop().call_later(HOLD_SECONDS, self.release)

    def release(self) -> None:
        held, self._held = self._held, None
        for fact in held or ():
            self.deliver(fact)

    def mute(self) -> None:
        """Nothing more is told here: another process goes on from what was."""
        self._is_mute = True

    def client_left(self) -> None:
        """For a while: its transport keeps what is told meanwhile."""
        self._away_since = asyncio.get_running_loop().time()

    def attach(self, transport: Transport) -> None:
        """The client is told through this one from now on."""
        self._transport, self._away_since = transport, None

    def end(self) -> Transport | None:
        """Nothing more is told; what was held is, before that. Returns the transport, for the caller to end."""
        self.release()
        transport, self._transport = self._transport, None
        return transport
