"""The session's mouth: one reply at a time, its interruption, and the history that holds only what was heard."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import structlog

from sessions.live import facts
from sessions.live.history import History
from sessions.live.items import Item
from sessions.live.portable_reply import PortableReply
from sessions.live.reply import Reply
from sessions.live.reply_plan import ReplyPlan
from sessions.live.turn_record import turn_record
from sessions.live.turns import Turn
from sessions.live.work_desk import WorkDesk
from workers.streams.messages import OutputEntry

logger = structlog.get_logger(__name__)
RECORD_LIMIT_SECONDS = 0.5

Record = dict[str, Any]
KeepRecord = Callable[[Record], Awaitable[None]]


class ReplyingHost(Protocol):
    """What replying needs of its session."""

    @property
    def session_id(self) -> str: ...

    def now_ms(self) -> float: ...

    def epoch_ms(self) -> int: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    @property
    def client_holds_playback(self) -> bool: ...

    @property
    def is_client_away(self) -> bool: ...

    def agent_changed(self) -> None:
        """A reply has begun, begun to sound, or ended."""
        ...

    def settle(self, reply_id: str, usage: facts.TokenUsage) -> facts.TokenUsage:
        """A reply's bill; returns it with the share of its pictures."""
        ...

    def reply_ended(self) -> None:
        """The last reply's end has been delivered; the next may begin."""
        ...


class Replying:
    """One per session. At most one reply is being made; the one before may still be playing at the client."""

    def __init__(self, desk: WorkDesk, history: History, host: ReplyingHost, keep_record: KeepRecord) -> None:
        self._desk = desk
        self._history = history
        self._host = host
        self._keep_record = keep_record
        self._current: Reply | None = None
        self._audible: Reply | None = None
        self._behind_gate: Reply | None = None
        self._turn: Turn | None = None
        self._ending: asyncio.Task[None] | None = None

    # --- state ------------------------------------------------------------------------------------------------------

    @property
    def active_reply_id(self) -> str | None:
        return self._current.reply_id if self._current is not None else None

    @property
    def is_free(self) -> bool:
        return self._current is None and self._ending is None

    @property
    def is_thinking(self) -> bool:
        return self._current is not None and self._current.play_out.sent_ms == 0

    @property
    def is_speaking(self) -> bool:
        return any(reply.is_speaking for reply in self._heard_now())

    @property
    def is_busy(self) -> bool:
        """A reply is being made or heard."""
        reply = self._current or self._audible
        return reply is not None and (not reply.is_over or reply.is_speaking)

    @property
    def can_be_interrupted(self) -> bool:
        reply = self._current or self._audible
        return reply is None or reply.plan.can_be_interrupted

    @property
    def is_asking(self) -> bool:
        """The sentence being heard is a question."""
        reply = self._current or self._audible
        begun = [each for each in reply.spoken.sentences if each.start_ms is not None] if reply is not None else []
        return bool(begun) and begun[-1].text.rstrip().endswith(("?", "？"))

    def _heard_now(self) -> list[Reply]:
        return [reply for reply in (self._current, self._audible) if reply is not None]

    # --- begin, feed, interrupt -------------------------------------------------------------------------------------

    def begin(self, plan: ReplyPlan, turn: Turn | None) -> None:
        """Only when `is_free`."""
        self._turn = turn
        self._audible = None
        reply = Reply(plan, self._desk, self)
        self._current = reply
        reply.begin()
        self._host.agent_changed()

    def begin_behind_gate(self, plan: ReplyPlan) -> None:
        """A speculative reply: it is made, and its first sentence spoken, without anyone being told."""
        self._behind_gate = Reply(plan, self._desk, self, is_gated=True)
        self._behind_gate.begin()

    @property
    def is_gate_whole(self) -> bool:
        return self._behind_gate is not None and not self._behind_gate.is_broken

    def open_gate(self, turn: Turn) -> None:
        """Only when `is_free` and `is_gate_whole`."""
        reply, self._behind_gate = self._behind_gate, None
        if reply is None:
            return
        self._turn, self._audible, self._current = turn, None, reply
        reply.open_gate()
        self._host.agent_changed()

    def drop_behind_gate(self, reason: str) -> None:
        reply, self._behind_gate = self._behind_gate, None
        if reply is not None:
            reply.call_off()
            logger.info("speculation_dropped", reply_id=reply.reply_id, reason=reason)

    def hold(self) -> None:
        """Something was heard that may be an interruption: the sound stops, nothing is lost."""
        for reply in self._heard_now():
            reply.hold()

    def resume(self) -> None:
        for reply in self._heard_now():
            reply.resume()

    def take(self, entry: OutputEntry) -> None:
        if self._behind_gate is not None and self._behind_gate.owns(entry):
            self._behind_gate.take(entry)
            return
        reply = next((reply for reply in self._heard_now() if reply.owns(entry)), None)
        if reply is not None:
            was_thinking = self.is_thinking
            reply.take(entry)
            if was_thinking != self.is_thinking:
                self._host.agent_changed()

    def check(self) -> None:
        if self._behind_gate is not None:
            self._behind_gate.check()
        if self._current is not None:
            self._current.check()
        if self._audible is not None and not self._audible.is_speaking:
            self._audible = None
            self._host.agent_changed()

    def report_progress(self, item_id: str, audio_end_ms: int) -> None:
        for reply in self._heard_now():
            if reply.item_id == item_id:
                reply.play_out.reported(audio_end_ms, self._host.now_ms())

    def interrupt(self, reason: str) -> bool:
        """Order: nothing more is sent, the client flushes, workers are told, history is cut. False: nothing to cut."""
        reply = self._current or self._audible
        if reply is None:
            return False
        heard_ms, heard_text = reply.heard_ms, reply.heard_text()
        if reply.play_out.sent_ms > 0:
            self._host.deliver(facts.PlaybackFlushed(reply.reply_id, reply.item_id, int(heard_ms), reason))
        was_over = reply.is_over
        reply.interrupt("client_cancelled" if reason == "client" else "turn_detected")
        self._history.cut_to(reply.item_id, heard_text)
        self._audible = None
        if was_over:
            self._correct_record(reply, heard_text)
        self._host.agent_changed()
        return True

    def cut_history(self, item_id: str, audio_end_ms: int) -> None:
        """The client's own word about what was heard; the reply that is being made or played is cut by time."""
        for reply in self._heard_now():
            if reply.item_id == item_id:
                self._history.cut_to(item_id, reply.spoken.heard_text(min(audio_end_ms, reply.play_out.sent_ms)))

    async def close(self) -> None:
        """Stop every task of the session; waits for the last record at most half a second."""
        if self._current is not None:
            self._current.call_off()
            self._current = None
        self.drop_behind_gate("session_ended")
        self._audible = None
        if self._ending is not None:
            await asyncio.wait({self._ending}, timeout=RECORD_LIMIT_SECONDS)

    # --- for another process, and for a client that was away ----------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        """No end of a reply waits to be told."""
        return self._ending is None

    @property
    def is_being_written(self) -> bool:
        return self._current is not None and self._current.is_being_written

    def under_way(self) -> tuple[ReplyPlan, PortableReply, Turn | None] | None:
        kept = self._current.portable() if self._current is not None else None
        return (self._current.plan, kept, self._turn) if self._current is not None and kept is not None else None

    def take_up(self, plan: ReplyPlan, kept: PortableReply, turn: Turn | None, heard_ms: float, mark: str) -> None:
        """Only when `is_free`."""
        self._turn = turn
        self._current = Reply(plan, self._desk, self)
        self._current.take_up(kept, heard_ms, mark)
        self._host.agent_changed()

    def let_go(self) -> None:
        """Another process has taken up what is under way: nothing of it is called off."""
        self._current = self._audible = None

    def client_is_back(self, repeated_ms: Mapping[str, float]) -> None:
        """By item: how much of its sound is sent once more."""
        for reply in self._heard_now():
            reply.client_is_back(repeated_ms.get(reply.item_id, 0.0))

    # --- ReplyHost --------------------------------------------------------------------------------------------------

    def now_ms(self) -> float:
        return self._host.now_ms()

    def deliver(self, fact: facts.Fact) -> None:
        self._host.deliver(fact)

    @property
    def client_holds_playback(self) -> bool:
        return self._host.client_holds_playback

    @property
    def is_client_away(self) -> bool:
        return self._host.is_client_away

    def call_in(self, delay_ms: float, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_ms / 1_000, callback)

    def keep_item(self, item: Item) -> str | None:
        if self._history.find(item.item_id) is not None:
            self._history.replace(item)
            return None
        return self._history.add(item)

    def reply_finished(self, reply: Reply, ended: facts.ReplyEnded) -> None:
        if reply is not self._current:
            return
        self._current, self._audible = None, reply
        if not reply.plan.is_fixed:
            ended = replace(ended, usage=self._host.settle(reply.reply_id, ended.usage))
        for item in ended.items:
            self._history.replace(item)
        now_ms, epoch_ms = self._host.now_ms(), self._host.epoch_ms()
        record = turn_record(self._host.session_id, self._turn, reply, ended, now_ms, epoch_ms)
        self._ending = asyncio.get_running_loop().create_task(self._finish(reply, ended, record))

    # --- records ----------------------------------------------------------------------------------------------------

    async def _finish(self, reply: Reply, ended: facts.ReplyEnded, record: Record) -> None:
        """The finished turn is on the records stream before its end leaves for the client."""
        await self._write_record(record)
        self._host.deliver(facts.TurnMeasured(reply.reply_id, record["delays"]))
        self._host.deliver(ended)
        self._ending = None
        self._host.agent_changed()
        self._host.reply_ended()

    async def _write_record(self, record: Record) -> None:
        try:
            async with asyncio.timeout(RECORD_LIMIT_SECONDS):
                await self._keep_record(record)
        except TimeoutError:
            logger.warning("record_late", reply_id=record["reply_id"])

    def _correct_record(self, reply: Reply, heard_text: str) -> None:
        """Cut off after its end had been recorded: what was heard is written again under the same id."""
        record = {"kind": "heard", "reply_id": reply.reply_id, "session_id": self._host.session_id}
        record["heard_text"] = heard_text
        self._ending = asyncio.get_running_loop().create_task(self._finish_correction(record, self._ending))

    async def _finish_correction(self, record: Record, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        await self._write_record(record)
        self._ending = None
        self._host.reply_ended()
