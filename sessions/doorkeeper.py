"""Lets accepted visitors in: finds or makes the channel's session row and the live session that serves its socket."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine

import redis
import structlog
from channels.db import database_sync_to_async

from sessions import lifecycle, metrics
from sessions.configured import web_settings
from sessions.graphs.library import DEFAULT_GRAPH, load_graph
from sessions.leases import Leases
from sessions.live.config import SessionConfig
from sessions.live.facts import FaultHappened
from sessions.live.ids import new_id
from sessions.live.planning import SessionIdentity
from sessions.live.registry import LiveSessions
from sessions.live.session import LiveSession
from sessions.live.session_parts import SessionParts
from sessions.live.transport import Transport
from sessions.models import Session
from sessions.realtime.doorway import Visitor
from sessions.realtime.resume_wish import ResumeWish
from sessions.realtime.socket_transport import SocketTransport
from sessions.resuming import Resuming, new_epoch
from sessions.talk_keeper import TalkKeeper
from sessions.talk_shelf import TalkShelf
from workers.errors import NovaError, StreamsUnavailableError
from workers.streams.messages import AnyControl, SupersedeSocket

logger = structlog.get_logger(__name__)

SUPERSEDED = 4409
SESSION_ENDED = 4410
KEY_ENDED = 4401
KEY_ENDED_TEXT = "the API key behind this socket was revoked or has expired"
CLOSED_GRACE_SECONDS = 2.5
CAUSES = {None: "client", SUPERSEDED: "superseded", SESSION_ENDED: "ended", KEY_ENDED: "key_ended", 1012: "restart"}
"""Of a session's end, by the code its client is closed with."""
IMPLICIT_UID = 0
IMPLICIT_IDLE_SECONDS = 5
"""A session that a socket made ends soon after it: nobody else knows its channel. A client that can come back has
the time of any other session for it."""

PublishControl = Callable[[AnyControl], Awaitable[None]]


class DrainingError(NovaError):
    code = "draining"
    retriable = True


class SessionEndedError(NovaError):
    code = "session_ended"


@dataclasses.dataclass(frozen=True, slots=True)
class Talks:
    """How talks outlive their sockets and their processes."""

    shelf: TalkShelf
    keeper: TalkKeeper
    resuming: Resuming

    async def forget(self, session: LiveSession) -> None:
        self.keeper.forget(session)
        if session.session_id:
            with contextlib.suppress(redis.RedisError):
                await self.shelf.remove(session.session_id, session.identity.generation)


class Doorkeeper:
    """The websocket door's Doorway. One per web process."""

    def __init__(
        self,
        sessions: LiveSessions,
        parts: SessionParts,
        leases: Leases,
        publish_control: PublishControl,
        talks: Talks,
    ) -> None:
        self._sessions = sessions
        self._parts = parts
        self._leases = leases
        self._publish_control = publish_control
        self._talks = talks
        self._closing: set[asyncio.Task[None]] = set()
        self._awaited: dict[LiveSession, asyncio.TimerHandle] = {}
        self.is_draining = False

    # --- in -----------------------------------------------------------------------------------------------------------

    async def open(self, visitor: Visitor, transport: Transport) -> LiveSession:
        if self.is_draining:
            raise DrainingError("this server is going away; connect again")
        row = await database_sync_to_async(_find_or_make_row)(visitor)
        channel_name = row.channel_name if row is not None else visitor.channel_name or ""
        if visitor.resume is None or not isinstance(transport, SocketTransport):
            session = await self._add(visitor, channel_name, row, transport)
            # `start` may be called while this socket is being opened: its announcement comes too early for it then.
            row = row or await self._find_started(session)
            if row is not None:
                self._wake_with(session, row)
        else:
            session = await self._resume(visitor, visitor.resume, channel_name, row, transport)
        metrics.SESSIONS_OPENED.inc()
        logger.info("socket_opened", channel_name=channel_name, session_id=session.session_id)
        return session

    async def _resume(
        self, visitor: Visitor, wish: ResumeWish, channel_name: str, row: Session | None, transport: SocketTransport
    ) -> LiveSession:
        """Where the talk is, or from where it was kept, or anew from its rows."""
        resuming = self._talks.resuming
        session = await resuming.here(channel_name, wish, transport)
        if session is not None:
            self._stop_waiting(session)
            return session
        if row is None:
            session = await self._add(visitor, channel_name, None, transport)
            resuming.begin_empty(wish, transport)
            return session
        session = await self._add(visitor, channel_name, row, transport, resumes=True)
        is_open = False
        try:
            kept = await resuming.claim(row.id, session.identity.generation)
            if kept is not None:
                resuming.take_up(session, row, kept, wish, transport)
            else:
                session.wake(row.id, _config_of(row), row.owner)
                await resuming.begin_anew(session, wish, transport)
            is_open = True
        finally:
            if not is_open:
                self.close(session)
        self._sessions.started(session)
        return session

    async def _add(
        self, visitor: Visitor, channel_name: str, row: Session | None, transport: Transport, resumes: bool = False
    ) -> LiveSession:
        """From now on older sockets of the channel, here or elsewhere, have lost it."""
        generation = await self._take_channel(channel_name, resumes)
        identity = SessionIdentity(channel_name, generation, new_epoch(), owner=visitor.owner)
        session = LiveSession(identity, _config_of(row), self._parts, transport, self._detached)
        older = self._sessions.add(session)
        if older is not None:
            self.give_way(older, resumes)
        return session

    async def _find_started(self, session: LiveSession) -> Session | None:
        is_open = False
        try:
            row = await database_sync_to_async(lifecycle.find_started)(session.channel_name)
            is_open = True
        finally:
            if not is_open:
                self.close(session)
        return row

    async def wake(self, channel_name: str) -> None:
        """`start` was called for a channel whose socket is open here."""
        session = self._sessions.of_channel(channel_name)
        if session is None or session.is_started:
            return
        row = await database_sync_to_async(lifecycle.find_started)(channel_name)
        if row is not None:
            self._wake_with(session, row)

    def _wake_with(self, session: LiveSession, row: Session) -> None:
        session.start(row.id, _config_of(row), row.owner)
        self._sessions.started(session)

    async def _take_channel(self, channel_name: str, resumes: bool) -> int:
        try:
            generation = await self._leases.next_generation(channel_name)
            await self._publish_control(SupersedeSocket(channel_name, generation, resumes))
        except redis.RedisError as error:
            raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
        return generation

    # --- out ----------------------------------------------------------------------------------------------------------

    def close(self, session: LiveSession, code: int | None = None, reason: str = "") -> None:
        """The session ends."""
        self._stop_waiting(session)
        self._sessions.remove(session)
        metrics.SESSIONS_CLOSED.of(CAUSES.get(code, "")).inc()
        self._in_background(self._end(session, code, reason))

    def shut_out(self, session: LiveSession) -> None:
        """Its API key counts no more: its client is told, and cannot come back."""
        session.deliver(FaultHappened("api_key_ended", KEY_ENDED_TEXT, retriable=False, is_clients_fault=True))
        self.close(session, KEY_ENDED, KEY_ENDED_TEXT)

    def hand_over(self, session: LiveSession, code: int, reason: str) -> None:
        """The session goes on elsewhere, if its client can come back."""
        if not can_go_on(session):
            self.close(session, code, reason)
            return
        self._stop_waiting(session)
        self._in_background(self._let_go(session, code, reason))

    def give_way(self, session: LiveSession, resumes: bool) -> None:
        """To a newer socket of its channel, which goes on with the talk or begins another."""
        leave = self.hand_over if resumes else self.close
        leave(session, SUPERSEDED, "superseded by a newer socket of the same channel")

    async def close_all(self, code: int, reason: str) -> None:
        for session in self._sessions:
            self.hand_over(session, code, reason)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSED_GRACE_SECONDS)

    async def _end(self, session: LiveSession, code: int | None, reason: str) -> None:
        await session.close(code, reason)
        await self._talks.forget(session)

    async def _let_go(self, session: LiveSession, code: int, reason: str) -> None:
        await self._talks.keeper.hand_over(session, lambda: self._sessions.remove(session))
        await session.close(code, reason, goes_on_elsewhere=True)

    def _in_background(self, leaving: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(leaving)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- away for a while ---------------------------------------------------------------------------------------------

    def _detached(self, session: LiveSession) -> None:
        """A client that can come back is waited for; what is told meanwhile is kept."""
        transport = session.continuing.transport
        is_here = self._sessions.of_channel(session.channel_name) is session
        if not is_here or not isinstance(transport, SocketTransport) or not transport.may_return:
            self.close(session)
        elif self.is_draining:
            self.hand_over(session, SUPERSEDED, "")
        else:
            session.continuing.client_left()
            loop = asyncio.get_running_loop()
            self._awaited[session] = loop.call_later(web_settings().resume_seconds, self._give_up, session)
            logger.info("client_away", channel_name=session.channel_name, session_id=session.session_id)

    def _give_up(self, session: LiveSession) -> None:
        self._awaited.pop(session, None)
        session.continuing.end_replies()
        self.close(session)

    def _stop_waiting(self, session: LiveSession) -> None:
        timer = self._awaited.pop(session, None)
        if timer is not None:
            timer.cancel()


def can_go_on(session: LiveSession) -> bool:
    transport = session.continuing.transport
    return session.is_started and isinstance(transport, SocketTransport) and transport.may_return


def _find_or_make_row(visitor: Visitor) -> Session | None:
    """The started session of the visitor's channel; None when its ticket came before `start`. Raises NovaError."""
    if visitor.channel_name is None:
        return _start_implicitly(new_id("channel"), visitor)
    if not visitor.is_channel_proven:
        return lifecycle.find_own_started(visitor.channel_name, visitor.owner)
    row = lifecycle.find_started(visitor.channel_name)
    if row is None and visitor.resume is not None and lifecycle.has_ended(visitor.channel_name, visitor.owner):
        raise SessionEndedError("the session has ended")
    if row is None and visitor.starts_itself:
        return _start_implicitly(visitor.channel_name, visitor)
    if row is not None and row.owner != visitor.owner:
        raise lifecycle.ChannelUnknownError("channel not existed")
    return row


def _start_implicitly(channel_name: str, visitor: Visitor) -> Session:
    """A standard client expects no greeting: the agent speaks when it is spoken to."""
    return lifecycle.claim_channel(
        channel_name,
        DEFAULT_GRAPH,
        visitor.owner,
        overrides={"llm": {"greeting": ""}},
        user_uid=IMPLICIT_UID,
        bot_uid=IMPLICIT_UID,
        timeout_seconds=None if visitor.can_return else IMPLICIT_IDLE_SECONDS,
    )


def _config_of(row: Session | None) -> SessionConfig:
    settings = web_settings()
    if row is None:
        return dataclasses.replace(load_graph(DEFAULT_GRAPH).session_config({}, settings), greeting="")
    return load_graph(row.graph_name).session_config(row.overrides, settings)
