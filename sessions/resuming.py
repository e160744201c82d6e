"""A client comes back: its talk goes on here, is taken up from another web process, or begins anew with what is known of it."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable

import redis
import structlog
from channels.db import database_sync_to_async

from sessions import lifecycle, metrics
from sessions.leases import Leases
from sessions.live.facts import FaultHappened, TalkResumed
from sessions.live.items import Content, Item, MessageItem
from sessions.live.portable import ITEM, ITEMS_KEPT
from sessions.live.registry import LiveSessions
from sessions.live.session import LiveSession
from sessions.models import Session, Turn
from sessions.output_follower import OutputFollower
from sessions.realtime.event_line import EventLine
from sessions.realtime.resume_wish import ResumeWish, Verdict, judge
from sessions.realtime.socket_transport import SocketTransport
from sessions.talk_keeper import TalkKeeper
from sessions.talk_shelf import NOBODY, KeptTalk, TalkShelf
from workers.errors import StreamsUnavailableError

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 0.025
LOOKS = 40
"""An older owner that seems to live is waited for; one that was killed seems so until its lease ends."""
SNAPSHOT_LIMIT_BYTES = 256 * 1_024


def new_epoch() -> str:
    return secrets.token_hex(6)


class Resuming:
    """One per web process. Faults of Redis come out as StreamsUnavailableError: the client tries again."""

    def __init__(
        self,
        sessions: LiveSessions,
        leases: Leases,
        shelf: TalkShelf,
        keeper: TalkKeeper,
        follower: OutputFollower,
    ) -> None:
        self._sessions = sessions
        self._leases = leases
        self._shelf = shelf
        self._keeper = keeper
        self._follower = follower

    # --- in this process ----------------------------------------------------------------------------------------------

    async def here(self, channel_name: str, wish: ResumeWish, transport: SocketTransport) -> LiveSession | None:
        """The channel's live session, told through `transport` from now on; None when it is not here, or not any more."""
        session = self._sessions.of_channel(channel_name)
        if session is None or not await self._is_still_ours(session):
            return None
        older = session.continuing.transport
        if self._sessions.of_channel(channel_name) is not session or not isinstance(older, SocketTransport):
            return None
        line = older.line
        if line is None:
            return None
        last_seq = line.backlog.last_seq
        verdict = judge(wish, line.epoch, line.backlog.first_seq, last_seq, is_last_known=True)
        older.part_with_line()
        repeated: dict[str, float] = {}
        if verdict == "whole":
            repeated = _sound_after(line, wish.seq)
            transport.go_on_with(line, wish.seq)
            line.tell(TalkResumed(True))
        else:
            session.begin_epoch(new_epoch())
            self._keeper.forget(session)
            _tell_anew(transport, verdict, session.history.newest(ITEMS_KEPT))
        session.continuing.client_is_back(transport, repeated)
        _log(session, verdict, wish.seq, last_seq, "here")
        return session

    async def _is_still_ours(self, session: LiveSession) -> bool:
        try:
            newest = await self._leases.generation(session.channel_name)
        except redis.RedisError as error:
            raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error
        # Redis may have lost its data; then nobody else has taken the channel since.
        return newest in (0, session.identity.generation)

    # --- from another process -----------------------------------------------------------------------------------------

    async def claim(self, session_id: str, generation: int) -> KeptTalk | None:
        """What was written last, and from now on nobody with an older generation writes. Waits for a living owner to let go."""
        try:
            for _ in range(LOOKS):
                if not await self._is_owned(session_id):
                    break
                await asyncio.sleep(LOOK_SECONDS)
            return await self._shelf.claim(session_id, generation)
        except redis.RedisError as error:
            raise StreamsUnavailableError("Redis cannot be reached; try again in a moment") from error

    async def _is_owned(self, session_id: str) -> bool:
        owner = await self._shelf.owner(session_id)
        return owner is not None and owner != NOBODY and await self._leases.is_alive(owner.decode())

    def take_up(
        self, session: LiveSession, row: Session, kept: KeptTalk, wish: ResumeWish, transport: SocketTransport
    ) -> None:
        """Before the socket is open: what it missed leaves first, then what happens from now on."""
        verdict = judge(wish, kept.epoch, kept.first_seq, kept.seq, is_last_known=kept.is_final)
        if verdict == "whole":
            session.begin_epoch(kept.epoch)
            session.clock.seq = max(kept.seq, wish.seq)
            line = EventLine(session, speaks_nova=True)
            line.take_up(kept.line, kept.events if wish.seq <= kept.seq else ())
            transport.go_on_with(line, wish.seq)
            line.tell(TalkResumed(True))
        else:
            _tell_anew(transport, verdict, kept.talk.items)
        session.continuing.take_up(row.id, row.owner, kept.talk, _heard_ms(kept, wish))
        self._follower.follow(session, kept.output_stream, kept.output_position)
        _log(session, verdict, wish.seq, kept.seq, "taken_up")

    async def begin_anew(self, session: LiveSession, wish: ResumeWish, transport: SocketTransport) -> None:
        """Nothing was kept: finished turns are in the rows. `session` is awake without having said a word."""
        turns = await database_sync_to_async(lifecycle.newest_turns)(session.session_id, ITEMS_KEPT // 2)
        session.history.take_up(_items_of(turns))
        verdict = _verdict_on_nothing(wish)
        _tell_anew(transport, verdict, session.history.newest(ITEMS_KEPT))
        _log(session, verdict, wish.seq, 0, "anew")

    def begin_empty(self, wish: ResumeWish, transport: SocketTransport) -> None:
        """The channel is not started: there is nothing that could go on."""
        _tell_anew(transport, _verdict_on_nothing(wish), ())


def _verdict_on_nothing(wish: ResumeWish) -> Verdict:
    return "bad_resume" if wish.seq < 0 else "unknown_epoch"


def _tell_anew(transport: SocketTransport, verdict: Verdict, items: Iterable[Item]) -> None:
    transport.deliver(_snapshot(verdict, items))
    if verdict == "bad_resume":
        text = "epoch and seq are not those of an event of this session"
        transport.deliver(FaultHappened(verdict, text, retriable=False, is_clients_fault=True))


def _sound_after(line: EventLine, seq: int) -> dict[str, float]:
    repeated: dict[str, float] = defaultdict(float)
    for told in line.backlog.since(seq):
        if told.sound is not None and told.sound.pcm is not None:
            repeated[told.sound.item_id] += told.sound.end_ms - told.sound.start_ms
    return repeated


def _heard_ms(kept: KeptTalk, wish: ResumeWish) -> float | None:
    """How much of the reply's sound the client has: by its own word, else by its last event."""
    if kept.talk.plan is None:
        return None
    item_id = kept.talk.plan.item_id
    if wish.sound_item:
        return wish.sound_ms if wish.sound_item == item_id else 0.0
    missed = (told.sound for told in kept.events if told.seq > wish.seq and told.sound is not None)
    return next((sound.start_ms for sound in missed if sound.item_id == item_id), None)


def _snapshot(verdict: Verdict, items: Iterable[Item]) -> TalkResumed:
    """The newest items that fit into one message."""
    every = list(items)
    shown: list[Item] = []
    size_bytes = 0
    for item in reversed(every):
        size_bytes += len(ITEM.dump_json(item))
        if size_bytes > SNAPSHOT_LIMIT_BYTES:
            break
        shown.append(item)
    return TalkResumed(False, verdict, tuple(reversed(shown)), len(every) - len(shown))


def _items_of(turns: list[Turn]) -> list[Item]:
    items: list[Item] = []
    for turn in turns:
        if turn.user_text:
            items.append(MessageItem(turn.turn_id, "user", (Content("input_audio", turn.user_text),)))
        if turn.heard_text:
            content = (Content("output_audio", turn.heard_text),)
            is_whole = turn.status == "completed"
            items.append(
                MessageItem(
                    f"item_{turn.reply_id}", "assistant", content, status="completed" if is_whole else "incomplete"
                )
            )
    return items


def _log(session: LiveSession, verdict: Verdict, seq: int, last_seq: int, where: str) -> None:
    ids = {"session_id": session.session_id, "channel_name": session.channel_name}
    metrics.count_resume(verdict)
    logger.info("talk_resumed", verdict=verdict, where=where, seq=seq, last_seq=last_seq, **ids)
