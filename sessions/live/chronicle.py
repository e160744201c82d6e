"""All that a session leaves behind, as records: its turns made complete, its faults, its costs; nothing here delays a word."""

import asyncio
from collections import deque
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

import structlog

from sessions.live import facts
from sessions.live.accounts import Accounts
from sessions.live.budget import BudgetState, Spent, Step, budget_state
from sessions.live.config import SessionConfig
from sessions.live.metering import Meter
from sessions.live.reply_notes import ReplyNotes
from sessions.live.replying import RECORD_LIMIT_SECONDS, KeepRecord, Record
from sessions.live.usage import FREE, Usage
from workers.streams.messages import OutputEntry, ReplyRequest

logger = structlog.get_logger(__name__)

WAITING_EVENTS = 100
KNOWN_USAGES = 50
CHECK_MS = 1_000.0
BUDGET_TEXTS = {
    "short": "the {which}'s budget is nearly spent: answers are brief from now on",
    "blind": "the {which}'s budget is nearly spent: pictures are not looked at any more",
    "spent": "the {which}'s budget is spent: the session ends",
}


class ChronicleHost(Protocol):
    """What a chronicle needs of its session."""

    def now_ms(self) -> float: ...

    def epoch_ms(self) -> int: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    def save(self, step: Step) -> None:
        """Live as cheaply as the step asks for."""
        ...


def described(config: SessionConfig) -> Record:
    """What of a session's configuration is noted with it."""
    return {
        "model_id": config.model.model,
        "voice": config.voice.voice,
        "engine": config.voice.engine,
        "language": config.listening_language,
    }


class Chronicle:
    """One per live session; event loop only. `begin` when it has its id, `close` at its end.

    It sees what passes (`note`, `take`, the meter's desk and ear) and writes by `keep`, which every record goes through.
    """

    def __init__(self, generation: int, accounts: Accounts, keep_record: KeepRecord, host: ChronicleHost) -> None:
        self._generation = generation
        self._accounts = accounts
        self._keep_record = keep_record
        self._host = host
        self._replies = ReplyNotes(host.epoch_ms)
        self.meter = Meter(accounts.prices, accounts.providers, host.now_ms, host.epoch_ms, self._reply_asked)
        self._session_id = ""
        self._owner = ""
        self._graph_name = ""
        self._usages: list[Usage] = []
        self._events: deque[Record] = deque(maxlen=WAITING_EVENTS)
        self._event_count = 0
        self._check_ms = 0.0
        self._spent_before_usd = FREE
        self._reported_usd = FREE
        self._turn_usd = FREE
        self._turn_seconds = 0.0
        self._known: dict[str, Usage] = {}
        self._measured: dict[str, facts.TurnUsage] = {}
        self._budget = BudgetState()
        self._writing: set[asyncio.Task[None]] = set()

    # --- the session's life -------------------------------------------------------------------------------------------

    def take_up(self, spent_usd: Decimal) -> None:
        """Before `begin`: what the talk has spent at other web processes, which have recorded it."""
        self._spent_before_usd = spent_usd

    def begin(self, session_id: str, owner: str, graph_name: str, described: Record) -> None:
        self._session_id, self._owner, self._graph_name = session_id, owner, graph_name
        self.meter.hearing.prefix = f"{session_id}.{self._generation}"
        self._add_event("socket_opened")
        providers = {**self._accounts.described, **described}
        self._write({"kind": "connection", "connected_at": self._host.epoch_ms() / 1_000, "providers": providers})

    @property
    def spent_usd(self) -> Decimal:
        """Since the talk began, wherever that was."""
        return self._spent_before_usd + self.meter.total_usd

    def check(self) -> None:
        """Called several times a second, of which one is enough."""
        now_ms = self._host.now_ms()
        if not self._session_id or now_ms < self._check_ms:
            return
        self._check_ms = now_ms + CHECK_MS
        self._collect()
        self._mind_budget()
        if self._usages or self._events:
            self._write({"kind": "more"})

    async def close(self) -> None:
        """After every stream and reply of the session has been ended. Waits for what is being written."""
        if self._session_id:
            self._collect(is_last=True)
            self._add_event("socket_closed")
            self._write({"kind": "connection", "disconnected_at": self._host.epoch_ms() / 1_000})
        if self._writing:
            await asyncio.wait(self._writing)

    # --- what passes --------------------------------------------------------------------------------------------------

    def note(self, fact: facts.Fact) -> facts.Fact:
        """Sees a fact before the client is told, and completes what is told of costs."""
        match fact:
            case facts.ReplyStarted():
                self.meter.reply_started(fact.reply_id)
            case facts.FaultHappened(is_clients_fault=False):
                self._add_event("fault", fact.code, fact.text)
            case facts.Noticed():
                self._add_event("notice", fact.code, fact.text)
            case facts.AlertRaised():
                self._add_event("alert", "watch", fact.text)
            case facts.VisionChanged(reply_id=str()):
                self._replies.saw(fact)
            case facts.TurnMeasured():
                usage = self._measured.pop(fact.reply_id, None)
                return replace(fact, usage=usage) if usage is not None else fact
        return fact

    def take(self, entry: OutputEntry) -> None:
        self.meter.take(entry)
        self._replies.take(entry)

    def _reply_asked(self, request: ReplyRequest) -> None:
        self._replies.asked(request)

    # --- records ------------------------------------------------------------------------------------------------------

    async def keep(self, record: Record) -> None:
        """Every record of the session goes this way; what waits to be recorded goes with it."""
        if record["kind"] == "turn":
            self._complete(record)
        elif record["kind"] == "decisions":
            record["started_at"] = (self._host.epoch_ms() - self._host.now_ms()) / 1_000
        await self._keep_record(self._with_waiting(record))

    def _complete(self, record: Record) -> None:
        notes = self._replies.take_out(record["reply_id"])
        record["tools"], record["frames"] = notes.pop("tools"), notes.pop("frames")
        record["graph_name"] = self._graph_name
        record["reply"] = {**record.get("reply", {}), **{name: value for name, value in notes.items() if value}}
        self._collect()
        self._measured = {record["reply_id"]: self._turn_usage(record["reply_id"])}

    def _turn_usage(self, reply_id: str) -> facts.TurnUsage:
        """All that was spent since the turn before: hearing, and dropped speculations, belong to the talk too."""
        total_usd, seconds = self.meter.total_usd, self.meter.hearing.total_seconds
        mine = [usage for usage in self._known.values() if usage.reply_id == reply_id]
        measured = facts.TurnUsage(
            speech_to_text_seconds=round(seconds - self._turn_seconds, 2),
            input_tokens=sum(usage.input_tokens for usage in mine),
            cached_input_tokens=sum(usage.cached_input_tokens for usage in mine),
            picture_tokens=sum(usage.picture_tokens for usage in mine),
            output_tokens=sum(usage.output_tokens for usage in mine),
            characters=sum(usage.characters for usage in mine),
            word_mark_characters=sum(usage.word_mark_characters for usage in mine),
            is_estimated=any(usage.is_estimated for usage in mine),
            cost_usd=float(round(total_usd - self._turn_usd, 6)),
            session_cost_usd=float(round(self.spent_usd, 6)),
        )
        self._turn_usd, self._turn_seconds = total_usd, seconds
        return measured

    def _collect(self, *, is_last: bool = False) -> None:
        found = self.meter.collect(is_last=is_last)
        self._usages += found
        self._known.update((usage.usage_id, usage) for usage in found)
        while len(self._known) > KNOWN_USAGES:
            del self._known[next(iter(self._known))]

    def _with_waiting(self, record: Record) -> Record:
        usages, self._usages = self._usages, []
        events = list(self._events)
        self._events.clear()
        whole = {**record, "session_id": self._session_id, "generation": self._generation}
        if usages:
            whole["usages"] = [usage.to_record() for usage in usages]
        if events:
            whole["events"] = events
        return whole

    def _write(self, record: Record) -> None:
        task = asyncio.get_running_loop().create_task(self._write_now(self._with_waiting(record)))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_now(self, record: Record) -> None:
        try:
            async with asyncio.timeout(RECORD_LIMIT_SECONDS):
                await self._keep_record(record)
        except TimeoutError:
            logger.warning("record_late", kind=record["kind"])

    def _add_event(self, kind: str, code: str = "", text: str = "") -> None:
        self._event_count += 1
        event_id = f"{self._session_id}.{self._generation}.{self._event_count}"
        event = {"event_id": event_id, "at": self._host.epoch_ms() / 1_000, "kind": kind, "code": code, "text": text}
        if self._session_id:
            self._events.append(event)

    # --- budgets ------------------------------------------------------------------------------------------------------

    def _mind_budget(self) -> None:
        total_usd, accounts = self.meter.total_usd, self._accounts
        if total_usd != self._reported_usd:
            accounts.spending.add(self._owner, total_usd - self._reported_usd)
            self._reported_usd = total_usd
        spent = Spent(self.spent_usd, accounts.spending.of_owner(self._owner), accounts.spending.of_site)
        state = budget_state(accounts.limits_of(self._owner), spent)
        if state.step != self._budget.step and self._budget.step != "spent":
            self._budget = state
            self._live_with(state)

    def _live_with(self, state: BudgetState) -> None:
        self._host.save(state.step)
        if state.step == "free":
            return
        text = BUDGET_TEXTS[state.step].format(which=state.which)
        self._add_event("budget", state.step, text)
        if state.step == "spent":
            self._host.deliver(facts.FaultHappened("budget_spent", text, retriable=False))
            self._accounts.on_spent(self._session_id)
        else:
            self._host.deliver(facts.Noticed("budget_low", text))
