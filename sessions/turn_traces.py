"""The web process's share of a turn's trace: the turn itself, the listening and the reply, made from the turn's record."""

from typing import Any, Final

from workers import tracing
from workers.tracing import NANOSECONDS, Span

STEPS: Final = ("first_sentence", "speech_asked", "first_audio")
"""Delays that are counted from the end of the turn; each becomes an event of the reply."""


def trace_turn(record: dict[str, Any]) -> None:
    """Nothing of it is what was said."""
    started_ns, ended_ns = _ns(record["started_at"]), _ns(record["ended_at"])
    answered_ns = min(max(_turn_end_ns(record), started_ns), ended_ns)
    turn = tracing.turn_span(record["turn_id"], started_ns)
    turn.attributes.update(_attributes(record))
    turn.error_code = record["error_code"]
    if answered_ns > started_ns:
        listening = turn.child("listening", started_ns)
        listening.attributes["nova.end_of_turn_ms"] = record["delays"].get("end_of_turn", 0.0)
        _write(listening, answered_ns)
    reply = turn.child("reply", answered_ns)
    reply.attributes["nova.status"] = record["status"]
    reply.events = [
        (answered_ns + int(record["delays"][step] * 1_000_000), step) for step in STEPS if step in record["delays"]
    ]
    _write(reply, ended_ns)
    _write(turn, ended_ns)


def _write(span: Span, ended_ns: int) -> None:
    span.end_ns = ended_ns
    tracing.export(span)


def _attributes(record: dict[str, Any]) -> dict[str, Any]:
    delays = {f"nova.delay.{name}_ms": value for name, value in record["delays"].items()}
    return {
        "session.id": record["session_id"],
        "gen_ai.conversation.id": record["session_id"],
        "nova.turn.id": record["turn_id"],
        "nova.reply.id": record["reply_id"],
        "nova.status": record["status"],
        "nova.interrupted": record["status"] == "interrupted",
        "nova.speculations": record["speculations"],
        **delays,
    }


def _turn_end_ns(record: dict[str, Any]) -> int:
    """Of a reply that answers no turn: its beginning."""
    if record["paused_at"] is None:
        return _ns(record["started_at"])
    return _ns(record["paused_at"] + record["delays"].get("end_of_turn", 0.0) / 1_000)


def _ns(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
