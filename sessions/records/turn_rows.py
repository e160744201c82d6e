"""Turns as rows, with their replies, tool calls and pictures; the same again changes nothing."""

from sessions.models import FrameSet, Reply, Session, ToolCall, Turn
from sessions.records.entries import TurnRecord

SUMMARY = (
    "turn_id",
    "reply_id",
    "user_text",
    "reply_text",
    "heard_text",
    "status",
    "started_at",
    "paused_at",
    "ended_at",
    "delays",
    "speculations",
    "dropped_speculations",
    "error_code",
)


def write_turns(found: list[tuple[Session, TurnRecord]]) -> list[Turn]:
    """Those that were new. Only while no other writer is at work."""
    wanted = {record.turn_id: (session, record) for session, record in reversed(found)}
    there = set(Turn.objects.filter(turn_id__in=wanted).values_list("turn_id", flat=True))
    new = [wanted[turn_id] for turn_id in reversed(wanted) if turn_id not in there]
    if not new:
        return []
    turns = Turn.objects.bulk_create(_turn(session, record) for session, record in new)
    Reply.objects.bulk_create(_reply(session, record) for session, record in new if record.reply is not None)
    records = [record for _, record in new if record.reply is not None]
    ToolCall.objects.bulk_create(
        ToolCall(reply_id=record.reply_id, **tool.model_dump()) for record in records for tool in record.tools
    )
    FrameSet.objects.bulk_create(_frame_set(record) for record in records if record.frames)
    return turns


def unheard(synthesised_text: str, heard_text: str) -> int:
    """Characters that were spoken, and paid, for nobody."""
    return max(0, len(synthesised_text) - len(heard_text))


def _turn(session: Session, record: TurnRecord) -> Turn:
    fields = {name: getattr(record, name) for name in SUMMARY}
    return Turn(session=session, graph_name=session.graph_name, first_audio_ms=_first_audio_ms(record), **fields)


def _first_audio_ms(record: TurnRecord) -> float | None:
    """From the end of the voice; of a reply that was only read, to its first sentence. None where nobody had spoken."""
    delays = record.delays
    first = delays.get("first_audio", delays.get("first_sentence"))
    if first is None or record.paused_at is None:
        return None
    return round(first + delays.get("end_of_turn", 0.0), 2)


def _reply(session: Session, record: TurnRecord) -> Reply:
    reply = record.reply
    assert reply is not None
    return Reply(
        session=session,
        turn_id=record.turn_id,
        reply_id=record.reply_id,
        heard_text=record.heard_text,
        ended_at=record.ended_at,
        unheard_characters=unheard(reply.synthesised_text, record.heard_text),
        **reply.model_dump(),
    )


def _frame_set(record: TurnRecord) -> FrameSet:
    tokens = sum(usage.picture_tokens for usage in record.usages if usage.reply_id == record.reply_id)
    return FrameSet(
        reply_id=record.reply_id, frames=record.frames, picture_count=len(record.frames), picture_tokens=tokens
    )
