"""A web process leaves without breaking a talk: nobody new comes in, and each talk goes on elsewhere at its next pause."""

import asyncio
import random
from collections.abc import Iterable

import structlog

from sessions.doorkeeper import Doorkeeper, can_go_on
from sessions.http.health import start_draining
from sessions.live.facts import ServerDraining
from sessions.live.session import LiveSession

logger = structlog.get_logger(__name__)

GOING_AWAY = 1012
REASON = "the server is restarting; connect again"
LOOK_SECONDS = 0.1
SPREAD_SECONDS = 3.0
"""A pause may be used this much later, so that not all come to the other servers at once."""
LAST_STEP_SECONDS = 3.0


class Draining:
    """One per web process. The process lives on afterwards, without sockets, until it is told to end."""

    def __init__(self, doorkeeper: Doorkeeper, sessions: Iterable[LiveSession]) -> None:
        self._doorkeeper = doorkeeper
        self._sessions = sessions

    async def run(self, limit_seconds: float) -> None:
        """Returns when every socket is closed, within the limit and a little."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        self._doorkeeper.is_draining = True
        start_draining()
        talks_seconds = max(0.0, limit_seconds - LAST_STEP_SECONDS)
        logger.info("draining", sockets=len(list(self._sessions)), limit_seconds=limit_seconds)
        spread_seconds = min(SPREAD_SECONDS, talks_seconds / 3)
        not_before = {session: began_at + random.uniform(0, spread_seconds) for session in self._sessions}
        for session in self._sessions:
            session.deliver(ServerDraining(int(talks_seconds * 1_000)))
        for _ in range(int(talks_seconds / LOOK_SECONDS)):
            if not list(self._sessions):
                break
            passed_seconds = loop.time() - began_at
            for session in self._sessions:
                if loop.time() >= not_before.get(session, 0.0) and _may_leave(session, passed_seconds / talks_seconds):
                    self._doorkeeper.hand_over(session, GOING_AWAY, REASON)
            await asyncio.sleep(LOOK_SECONDS)
        await self._doorkeeper.close_all(GOING_AWAY, REASON)
        logger.info("drained", seconds=round(loop.time() - began_at, 1))


def _may_leave(session: LiveSession, share_passed: float) -> bool:
    """Who cannot come back loses the talk: it is given half of the time, for a last answer."""
    if not session.is_started or session.is_client_away:
        return True
    return session.continuing.is_quiet and (can_go_on(session) or share_passed > 0.5)
