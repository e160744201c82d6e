"""Lets accepted visitors in: finds or makes the channel's session row and the live session that serves its socket."""

import asyncio
import dataclasses
import secrets
from collections.abc import Awaitable, Callable

import redis
import structlog
from channels.db import database_sync_to_async

from sessions import lifecycle, metrics
from sessions.configured import web_settings
from sessions.graphs.library import DEFAULT_GRAPH, load_graph
from sessions.leases import Leases
from sessions.live.config import SessionConfig
from sessions.live.ids import new_id
from sessions.live.planning import SessionIdentity
from sessions.live.registry import LiveSessions
from sessions.live.session import LiveSession, SessionParts
from sessions.live.transport import Transport
from sessions.models import Session
from sessions.realtime.doorway import Visitor
from workers.errors import StreamsUnavailableError
from workers.streams.messages import AnyControl, SupersedeSocket

logger = structlog.get_logger(__name__)

SUPERSEDED = 4409
SESSION_ENDED = 4410
CLOSED_GRACE_SECONDS = 2.0
CAUSES = {None: "client", SUPERSEDED: "superseded", SESSION_ENDED: "ended", 1012: "restart"}
"""Of a session's end, by the code its client is closed with."""
IMPLICIT_UID = 0
IMPLICIT_IDLE_SECONDS = 5
"""A session that a socket made ends soon after it: nobody else knows its channel."""

PublishControl = Callable[[AnyControl], Awaitable[None]]


class Doorkeeper:
    """The websocket door's Doorway. One per web process."""

    def __init__(
        self, sessions: LiveSessions, parts: SessionParts, leases: Leases, publish_control: PublishControl
    ) -> None:
        self._sessions = sessions
        self._parts = parts
        self._leases = leases
        self._publish_control = publish_control
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, visitor: Visitor, transport: Transport) -> LiveSession:
        row = await database_sync_to_async(_find_or_make_row)(visitor)
        channel_name = row.channel_name if row is not None else visitor.channel_name or ""
        generation = await self._take_channel(channel_name)
        identity = SessionIdentity(channel_name, generation, secrets.token_hex(6))
        config = _config_of(row)
        session = LiveSession(identity, config, self._parts, transport, self._detached)
        older = self._sessions.add(session)
        if older is not None:
            self.close(older, SUPERSEDED, "superseded by a newer socket of the same channel")
        is_open = False
        try:
            # `start` may be called while this socket is being opened: its announcement comes too early for it then.
            row = row or await database_sync_to_async(lifecycle.find_started)(channel_name)
            is_open = True
        finally:
            if not is_open:
                self.close(session)
        if row is not None:
            self._wake_with(session, row)
        metrics.SESSIONS_OPENED.inc()
        logger.info("socket_opened", channel_name=channel_name, session_id=session.session_id)
        return session

    async def wake(self, channel_name: str) -> None:
        """`start` was called for a channel whose socket is open here."""
        session = self._sessions.of_channel(channel_name)
        if session is None or session.is_started:
            return
        row = await database_sync_to_async(lifecycle.find_started)(channel_name)
        if row is not None:
            self._wake_with(session, row)

    def close(self, session: LiveSession, code: int | None = None, reason: str = "") -> None:
        self._sessions.remove(session)
        metrics.SESSIONS_CLOSED.of(CAUSES.get(code, "")).inc()
        task = asyncio.get_running_loop().create_task(session.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close_all(self, code: int, reason: str) -> None:
        for session in self._sessions:
            self.close(session, code, reason)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSED_GRACE_SECONDS)

    def _wake_with(self, session: LiveSession, row: Session) -> None:
        session.start(row.id, _config_of(row), row.owner)
        self._sessions.started(session)

    def _detached(self, session: LiveSession) -> None:
        self.close(session)

    async def _take_channel(self, channel_name: str) -> int:
        """From now on older sockets of the channel, here or elsewhere, have lost it."""
        try:
            generation = await self._leases.next_generation(channel_name)
            await self._publish_control(SupersedeSocket(channel_name, generation))
        except redis.RedisError as error:
            raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
        return generation


def _find_or_make_row(visitor: Visitor) -> Session | None:
    """The started session of the visitor's channel; None when its ticket came before `start`. Raises NovaError."""
    if visitor.channel_name is None:
        return _start_implicitly(new_id("channel"), visitor.owner)
    if not visitor.is_channel_proven:
        return lifecycle.find_own_started(visitor.channel_name, visitor.owner)
    row = lifecycle.find_started(visitor.channel_name)
    if row is None and visitor.starts_itself:
        return _start_implicitly(visitor.channel_name, visitor.owner)
    if row is not None and row.owner != visitor.owner:
        raise lifecycle.ChannelUnknownError("channel not existed")
    return row


def _start_implicitly(channel_name: str, owner: str) -> Session:
    """A standard client expects no greeting: the agent speaks when it is spoken to."""
    return lifecycle.claim_channel(
        channel_name,
        DEFAULT_GRAPH,
        owner,
        overrides={"llm": {"greeting": ""}},
        user_uid=IMPLICIT_UID,
        bot_uid=IMPLICIT_UID,
        timeout_seconds=IMPLICIT_IDLE_SECONDS,
    )


def _config_of(row: Session | None) -> SessionConfig:
    settings = web_settings()
    if row is None:
        return dataclasses.replace(load_graph(DEFAULT_GRAPH).session_config({}, settings), greeting="")
    return load_graph(row.graph_name).session_config(row.overrides, settings)
