"""What the pages of a session tell, read with a bounded number of queries: turns, replies, tools, pictures, costs, reasons."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum

from sessions.admin.heard import split_heard
from sessions.admin.waterfall import Bar, bars, total_ms
from sessions.models import DecisionLog, Event, FrameSet, Reply, Session, ToolCall, Turn, Usage

TURNS_SHOWN = 50
EVENTS_SHOWN = 200
LOGS_READ = 2_000
DECISIONS_SHOWN = 300
BEFORE_TURN = timedelta(seconds=1)
AFTER_TURN = timedelta(seconds=1)
UNTOLD = ("is", "settings", "segment_id")


@dataclass(frozen=True, slots=True)
class Decided:
    """One line of the turn engine: what happened, and what was decided because of it."""

    at: datetime
    after_ms: float
    event: str
    event_details: str
    state: str
    decisions: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class ToldTurn:
    turn: Turn
    bars: list[Bar]
    total_ms: float
    reply: Reply | None = None
    heard: str = ""
    unheard: str = ""
    tools: list[ToolCall] = field(default_factory=list)
    frame_set: FrameSet | None = None
    usages: list[Usage] = field(default_factory=list)
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0

    @property
    def is_slow(self) -> bool:
        return (self.turn.first_audio_ms or 0) >= SLOW_MS


SLOW_MS = 2_000.0


def turns_of(session: Session, page: int) -> QuerySet[Turn]:
    first = (max(1, page) - 1) * TURNS_SHOWN
    return Turn.objects.filter(session=session).order_by("started_at", "id")[first : first + TURNS_SHOWN]


def outlined(turns: Iterable[Turn]) -> list[ToldTurn]:
    """Figures alone, no word of what was said."""
    listed = list(turns)
    scale_ms = max((total_ms(turn.delays) for turn in listed), default=0.0)
    return [ToldTurn(turn, bars(turn.delays, scale_ms), total_ms(turn.delays)) for turn in listed]


def told(turns: Iterable[Turn]) -> list[ToldTurn]:
    """With words, tools, pictures and cost: four queries for all."""
    outlines = outlined(turns)
    by_turn = {told_turn.turn.turn_id: told_turn for told_turn in outlines}
    by_reply: dict[str, ToldTurn] = {}
    for reply in Reply.objects.filter(turn_id__in=by_turn):
        told_turn = by_turn[reply.turn_id]
        told_turn.reply = reply
        told_turn.heard, told_turn.unheard = split_heard(reply.generated_text or reply.sent_text, reply.heard_text)
        by_reply[reply.reply_id] = told_turn
    for told_turn in outlines:
        if told_turn.reply is None:
            told_turn.heard, told_turn.unheard = split_heard(told_turn.turn.reply_text, told_turn.turn.heard_text)
    for call in ToolCall.objects.filter(reply_id__in=by_reply):
        by_reply[call.reply_id].tools.append(call)
    for frame_set in FrameSet.objects.filter(reply_id__in=by_reply):
        by_reply[frame_set.reply_id].frame_set = frame_set
    for usage in Usage.objects.filter(reply_id__in=by_reply).order_by("at"):
        told_turn = by_reply[usage.reply_id]
        told_turn.usages.append(usage)
        told_turn.cost_usd += usage.cost_usd
        told_turn.tokens += usage.input_tokens + usage.output_tokens
    return outlines


def costs_of(session: Session) -> list[dict[str, Any]]:
    """By service, provider, model and purpose."""
    names = ("service", "provider", "model", "purpose")
    sums = {
        name: Sum(name)
        for name in ("billed_seconds", "input_tokens", "output_tokens", "picture_tokens", "characters", "cost_usd")
    }
    rows = Usage.objects.filter(session=session).order_by().values(*names).annotate(calls=Count("id"), **_renamed(sums))
    return [dict(row) for row in rows.order_by(*names)[:100]]


def _renamed(sums: dict[str, Sum]) -> dict[str, Sum]:
    """Django refuses an annotation with a column's own name."""
    return {f"sum_{name}": value for name, value in sums.items()}


def events_of(session: Session) -> list[Event]:
    """The newest, oldest first."""
    return list(reversed(Event.objects.filter(session=session).order_by("-at", "-id")[:EVENTS_SHOWN]))


def events_by_turn(turns: list[ToldTurn], events: list[Event]) -> dict[str, list[Event]]:
    by_reply = defaultdict(list)
    for event in events:
        by_reply[event.reply_id].append(event)
    return {told_turn.turn.turn_id: by_reply.get(told_turn.turn.reply_id, []) for told_turn in turns}


def decisions_of(turn: Turn) -> list[Decided]:
    """What the turn engine decided from a second before the turn to a second after its reply, each with its reason."""
    first, last = turn.started_at - BEFORE_TURN, (turn.ended_at or turn.started_at) + AFTER_TURN
    found: list[Decided] = []
    logs = DecisionLog.objects.filter(session_id=turn.session_id, started_at__isnull=False, started_at__lte=last)
    for log in logs.order_by("generation", "first_number")[:LOGS_READ].iterator(chunk_size=100):
        for line in log.lines:
            at = _time_of(log, line)
            if at is not None and first <= at <= last and len(found) < DECISIONS_SHOWN and _is_telling(line):
                found.append(_decided(line, at, turn))
    return found


def _time_of(log: DecisionLog, line: Any) -> datetime | None:
    at_ms = line.get("at_ms") if isinstance(line, dict) else None
    if log.started_at is None or not isinstance(at_ms, int | float):
        return None
    return log.started_at + timedelta(milliseconds=at_ms)


def _is_telling(line: dict[str, Any]) -> bool:
    """The agent's own state changes with every sentence; it tells something only where it led to a decision."""
    event = line.get("event")
    return bool(line.get("decisions")) or not (isinstance(event, dict) and event.get("is") == "AgentChanged")


def _decided(line: dict[str, Any], at: datetime, turn: Turn) -> Decided:
    name, details = _named(line.get("event"))
    return Decided(
        at=at,
        after_ms=round((at - turn.started_at).total_seconds() * 1_000),
        event=name,
        event_details=details,
        state=str(line.get("state", "")),
        decisions=tuple(_named(decision) for decision in line.get("decisions") or ()),
    )


def _named(value: Any) -> tuple[str, str]:
    """("Interrupt", "reason: words")."""
    if not isinstance(value, dict):
        return str(value), ""
    told = {name: shown for name, shown in value.items() if name not in UNTOLD and shown not in ("", None, False)}
    details = ", ".join(f"{name}: {shown}" for name, shown in told.items())
    return str(value.get("is", "")), details[:500]
