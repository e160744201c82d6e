"""Keeps the shelf up to date, off the voice's way: what has changed in a session is written a moment later, by the batch."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
import structlog

from sessions.live.items import Item
from sessions.live.portable import CONFIG, ITEM, PLAN, UNDER_WAY
from sessions.live.session import LiveSession
from sessions.realtime.event_line import to_runs
from sessions.realtime.socket_transport import SocketTransport
from sessions.talk_shelf import NOBODY, TalkChanges, TalkShelf

logger = structlog.get_logger(__name__)

SOON_SECONDS = 0.03
"""After the turn's reply was asked for, and before a client could have lost its connection and come back."""
SOUND_SECONDS = 0.25
"""Events of sound alone: a client says itself how much of it has come."""
RETRY_SECONDS = 0.5
SETTLE_STEP_SECONDS = 0.01
SETTLE_STEPS = 50
RENEW_SECONDS = 20.0
HAND_OVER_SECONDS = 1.5


@dataclass(slots=True)
class _Written:
    """What of one session is on the shelf."""

    config: object = None
    plan_id: str = ""
    items: dict[str, Item] = field(default_factory=dict)


class TalkKeeper:
    """One per web process; event loop only. `position` is how far the process has read its output stream."""

    def __init__(self, shelf: TalkShelf, web_id: str, output_stream: str, position: Callable[[], str]) -> None:
        self._shelf = shelf
        self._web_id = web_id
        self._output_stream = output_stream
        self._position = position
        self._written: dict[LiveSession, _Written] = {}
        self._due_at: dict[LiveSession, float] = {}
        self._wake = asyncio.Event()
        self._renew_at = 0.0

    def changed(self, session: LiveSession, is_sound: bool) -> None:
        """Returns at once. Sessions whose client cannot come back are not kept."""
        transport = session.continuing.transport
        if not session.session_id or not isinstance(transport, SocketTransport) or not transport.may_return:
            return
        loop = asyncio.get_running_loop()
        due_at = loop.time() + (SOUND_SECONDS if is_sound else SOON_SECONDS)
        known = self._due_at.get(session)
        if known is None or due_at < known:
            self._due_at[session] = due_at
            self._wake.set()

    def forget(self, session: LiveSession) -> None:
        self._due_at.pop(session, None)
        self._written.pop(session, None)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wait()
            due = [session for session, at in self._due_at.items() if at <= loop.time()]
            ready = [session for session in due if session.continuing.is_settled]
            for session in due:
                del self._due_at[session]
                if session not in ready:
                    self._due_at[session] = loop.time() + SETTLE_STEP_SECONDS
            if ready and not await self._save(ready):
                await asyncio.sleep(RETRY_SECONDS)

    async def renew(self) -> None:
        """Called every second: a talk in which nothing happens must not expire."""
        now = asyncio.get_running_loop().time()
        if now >= self._renew_at and self._written:
            self._renew_at = now + RENEW_SECONDS
            await self._shelf.renew([session.session_id for session in self._written])

    async def hand_over(self, session: LiveSession, on_written: Callable[[], None]) -> None:
        """The session's last state goes onto the shelf and belongs to nobody; from that moment, `on_written`, it must
        take nothing in and tells nothing. Two seconds at most; without Redis, what was written before counts."""
        for _ in range(SETTLE_STEPS):
            if session.continuing.is_settled:
                break
            await asyncio.sleep(SETTLE_STEP_SECONDS)
        self._due_at.pop(session, None)
        changes = self._changes(session, is_final=True)
        self.forget(session)
        session.continuing.fall_silent()
        on_written()
        if changes is None:
            return
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                await self._shelf.save([changes])
        except (redis.RedisError, TimeoutError) as error:
            logger.warning("talk_not_handed_over", session_id=session.session_id, error=type(error).__name__)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        self._wake.clear()
        first = min(self._due_at.values(), default=None)
        delay = max(0.0, first - asyncio.get_running_loop().time()) if first is not None else None
        if delay == 0.0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _save(self, sessions: list[LiveSession]) -> bool:
        several = [(session, changes) for session in sessions if (changes := self._changes(session)) is not None]
        try:
            done = await self._shelf.save([changes for _, changes in several])
        except redis.RedisError as error:
            logger.warning("talks_not_kept", error=type(error).__name__, sessions=len(several))
            for session, _ in several:
                self._write_anew(session)
            return False
        for (_, changes), is_ours in zip(several, done, strict=True):
            if not is_ours:
                logger.warning("talk_has_newer_owner", session_id=changes.session_id)
        return True

    def _write_anew(self, session: LiveSession) -> None:
        """What is on the shelf is not known: next time all of it is written."""
        self._written.pop(session, None)
        self.changed(session, is_sound=False)

    def _changes(self, session: LiveSession, is_final: bool = False) -> TalkChanges | None:
        transport = session.continuing.transport
        line = transport.line if isinstance(transport, SocketTransport) else None
        if line is None or not session.is_started:
            return None
        is_first = session not in self._written
        written = self._written.setdefault(session, _Written())
        talk = session.continuing.talk()
        items = {item.item_id: item for item in talk.items}
        fields: dict[str, bytes | str | int] = {
            "owner": NOBODY if is_final else self._web_id,
            "epoch": line.epoch,
            "seq": line.backlog.last_seq,
            "output_stream": self._output_stream,
            "output_position": self._position(),
            "line": line.state(),
            "under_way": UNDER_WAY.dump_json(talk.under_way),
            "order": " ".join(items),
            "spent_usd": str(talk.spent_usd),
        }
        if talk.config is not written.config:
            fields["config"], written.config = CONFIG.dump_json(talk.config), talk.config
        if talk.plan is not None and talk.plan.reply_id != written.plan_id:
            fields["plan"], written.plan_id = PLAN.dump_json(talk.plan), talk.plan.reply_id
        changed = {key: ITEM.dump_json(item) for key, item in items.items() if written.items.get(key) is not item}
        gone = [key for key in written.items if key not in items]
        written.items = items
        backlog = line.backlog
        runs = to_runs(backlog.take_all() if is_first else backlog.take_unsaved())
        whose = (session.session_id, session.identity.generation)
        return TalkChanges(*whose, fields, changed, gone, runs, kept_runs=max(1, len(backlog)), is_whole=is_first)
