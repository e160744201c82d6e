"""One batch of records as rows: a few statements, one transaction, one writer at a time; writing it twice changes nothing."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from django.db import connection, transaction
from django.db.models import F

from sessions.models import DecisionLog, Event, EventKind, Reply, Session, Turn
from sessions.records.entries import (
    AnyRecord,
    ConnectionRecord,
    DecisionsRecord,
    EventEntry,
    HeardRecord,
    TurnRecord,
)
from sessions.records.turn_rows import unheard, write_turns
from sessions.records.usage_rows import DayKey, Sums, no_sums, write_sums, write_usages
from sessions.webhooks.queue import alert, queue_events, turns_finished

log = structlog.get_logger(__name__)

WRITE_LOCK = 0x6E6F7662
COUNTED = {EventKind.INTERRUPTION: "interruption_count", EventKind.FAULT: "fault_count"}
NOT_FALSE = ("reply_gone", "closed")
"""Reasons of a ResumeReply that resumed nothing."""

Kind = TypeVar("Kind", bound=AnyRecord)
OnWritten = Callable[[list[Turn]], None]


def write_batch(records: list[AnyRecord]) -> list[str]:
    """Returns the ids of sessions that are gone, whose records were dropped. Raises DatabaseError, and nothing is written."""
    with transaction.atomic():
        take_write_lock()
        sessions = Session.objects.in_bulk({record.session_id for record in records})
        known = [record for record in records if record.session_id in sessions]
        _Batch(sessions, known).write()
    gone = sorted({record.session_id for record in records} - sessions.keys())
    if gone:
        log.warning("records_of_unknown_sessions_dropped", session_ids=gone)
    return gone


def take_write_lock() -> None:
    """In a transaction; SQLite's immediate one is the lock itself. A writer whose lease ran out may still be at work."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITE_LOCK])


class _Batch:
    """The records of known sessions. What was heard corrects turns of this batch or an earlier one, so it comes last."""

    def __init__(self, sessions: dict[str, Session], records: list[AnyRecord]) -> None:
        self._sessions = sessions
        self._records = records
        self._sums: Sums = no_sums()
        self._changes: dict[str, dict[str, Any]] = {session_id: {} for session_id in sessions}

    def write(self) -> None:
        for session, record in self._of(ConnectionRecord):
            self._connect(session, record)
        turns = write_turns(self._of(TurnRecord))
        queue_events(turns_finished(turns))
        self._count_turns(turns)
        self._count_unheard(turns)
        self._write_decisions()
        self._write_events()
        usages = [(self._sessions[record.session_id], usage) for record in self._records for usage in record.usages]
        for session_id, usd in write_usages(usages, self._sums).items():
            self._change(session_id, "cost_usd", usd)
        for session, heard in self._of(HeardRecord):
            self._correct(session, heard)
        write_sums(self._sums)
        self._write_sessions()

    def _of(self, kind: type[Kind]) -> list[tuple[Session, Kind]]:
        return [(self._sessions[record.session_id], record) for record in self._records if isinstance(record, kind)]

    def _change(self, session_id: str, name: str, by: int | Decimal) -> None:
        changes = self._changes[session_id]
        changes[name] = changes.get(name, 0) + by

    # --- turns --------------------------------------------------------------------------------------------------------

    def _count_turns(self, turns: list[Turn]) -> None:
        for turn in turns:
            self._change(turn.session_id, "turn_count", 1)
            session = self._sessions[turn.session_id]
            session.last_turn_at = max(filter(None, (session.last_turn_at, turn.ended_at)), default=None)

    def _count_unheard(self, turns: list[Turn]) -> None:
        new = {turn.turn_id for turn in turns}
        for session, record in self._of(TurnRecord):
            if record.turn_id in new and record.reply is not None and record.ended_at is not None:
                new.discard(record.turn_id)
                characters = unheard(record.reply.synthesised_text, record.heard_text)
                self._add_unheard(session, record.ended_at, record.reply.engine, characters)

    def _add_unheard(self, session: Session, at: datetime, engine: str, characters: int) -> None:
        """Beside the characters that were paid for; nothing when it is not known who spoke."""
        provider = str(session.providers.get("text_to_speech", ""))
        if characters and engine and provider:
            day = at.astimezone(UTC).date()
            key = DayKey(day, session.owner, session.graph_name, "text_to_speech", provider, engine)
            self._sums[key]["unheard_characters"] += characters

    def _correct(self, session: Session, heard: HeardRecord) -> None:
        """A reply was cut off after its end had been recorded."""
        Turn.objects.filter(reply_id=heard.reply_id).update(heard_text=heard.heard_text, status="interrupted")
        reply = Reply.objects.filter(reply_id=heard.reply_id).first()
        if reply is None:
            return
        characters = unheard(reply.synthesised_text, heard.heard_text)
        if reply.ended_at is not None:
            more = characters - reply.unheard_characters
            self._add_unheard(session, reply.ended_at, reply.engine, more)
        Reply.objects.filter(pk=reply.pk).update(heard_text=heard.heard_text, unheard_characters=characters)

    # --- decisions and events -----------------------------------------------------------------------------------------

    def _write_decisions(self) -> None:
        rows = [
            DecisionLog(
                session=session,
                generation=record.generation,
                started_at=record.started_at,
                first_number=int(record.lines[0]["number"]),
                lines=record.lines,
            )
            for session, record in self._of(DecisionsRecord)
        ]
        DecisionLog.objects.bulk_create(rows, ignore_conflicts=True)

    def _write_events(self) -> None:
        told = [(record.session_id, entry) for record in self._records for entry in record.events]
        decided = [
            (session.id, entry) for session, record in self._of(DecisionsRecord) for entry in decided_events(record)
        ]
        wanted = {entry.event_id: (session_id, entry) for session_id, entry in [*told, *decided]}
        there = set(Event.objects.filter(event_id__in=wanted).values_list("event_id", flat=True))
        new = [(session_id, entry) for event_id, (session_id, entry) in wanted.items() if event_id not in there]
        Event.objects.bulk_create(Event(session_id=session_id, **entry.model_dump()) for session_id, entry in new)
        raised = [(session_id, entry) for session_id, entry in new if entry.kind == EventKind.ALERT]
        queue_events([alert(entry.code, entry.text, session_id=session_id) for session_id, entry in raised])
        counts = Counter(
            (session_id, COUNTED[EventKind(entry.kind)]) for session_id, entry in new if entry.kind in COUNTED
        )
        for (session_id, name), count in counts.items():
            self._change(session_id, name, count)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _write_sessions(self) -> None:
        for session_id, changes in self._changes.items():
            session = self._sessions[session_id]
            increments = {name: F(name) + by for name, by in changes.items()}
            live = {
                name: getattr(session, name) for name in ("generation", "connected_at", "disconnected_at", "providers")
            }
            Session.objects.filter(id=session_id).update(**increments, **live, last_turn_at=session.last_turn_at)

    @staticmethod
    def _connect(session: Session, record: ConnectionRecord) -> None:
        """Of the newest socket only: an older one may tell of its end after that one's beginning."""
        if session.generation is not None and record.generation < session.generation:
            return
        session.generation = record.generation
        session.connected_at = record.connected_at or session.connected_at
        session.disconnected_at = record.disconnected_at or session.disconnected_at
        session.providers = record.providers or session.providers


def decided_events(record: DecisionsRecord) -> Iterable[EventEntry]:
    """Interruptions, true and false, as the turn engine decided them."""
    if record.started_at is None:
        return
    for line in record.lines:
        for number, decision in enumerate(line.get("decisions", ())):
            kind = _event_kind(decision)
            if kind is not None:
                at = record.started_at + timedelta(milliseconds=float(line["at_ms"]))
                event_id = f"{record.session_id}.{record.generation}.d{line['number']}.{number}"
                yield EventEntry(event_id=event_id, at=at, kind=kind.value, code=str(decision.get("reason", "")))


def _event_kind(decision: dict[str, Any]) -> EventKind | None:
    if decision.get("is") == "Interrupt":
        return EventKind.INTERRUPTION
    if decision.get("is") == "ResumeReply" and decision.get("reason") not in NOT_FALSE:
        return EventKind.FALSE_INTERRUPTION
    return None
