"""The record of one finished turn and its reply: what was said, at every station on its way to the ear, and how fast."""

from typing import Any

from sessions.live import facts
from sessions.live.reply import Reply
from sessions.live.reply_delays import delays_by_name
from sessions.live.turns import Turn

Record = dict[str, Any]
STATUSES = {"completed": "completed", "cancelled": "interrupted"}


def turn_record(
    session_id: str, turn: Turn | None, reply: Reply, ended: facts.ReplyEnded, now_ms: float, epoch_ms: int
) -> Record:
    """A reply that answers no turn is recorded as a turn without words, by its own id. Times are seconds since 1970."""

    def at(session_ms: float) -> float:
        return (epoch_ms - now_ms + session_ms) / 1_000

    spoken = reply.spoken
    return {
        "kind": "turn",
        "session_id": session_id,
        "turn_id": turn.item_id if turn is not None else reply.reply_id,
        "reply_id": reply.reply_id,
        "user_text": turn.text if turn is not None else "",
        "reply_text": spoken.text.strip(),
        "heard_text": reply.heard_text() if ended.status == "cancelled" else spoken.text.strip(),
        "speculations": turn.speculations if turn is not None else 0,
        "dropped_speculations": turn.dropped_speculations if turn is not None else 0,
        "status": STATUSES.get(ended.status, ended.status),
        "error_code": ended.reason if ended.status == "failed" else "",
        "started_at": at(turn.started_ms if turn is not None else reply.delays.asked_ms),
        "paused_at": at(turn.paused_ms) if turn is not None else None,
        "ended_at": at(now_ms),
        "delays": delays_by_name(reply.delays, turn),
        "reply": {
            "status": ended.status,
            "reason": ended.reason,
            "error_text": ended.error_text,
            "is_speculative": reply.was_gated,
            "generated_text": spoken.generated_text.strip(),
            "synthesised_text": spoken.synthesised_text,
            "sent_text": _sent_text(reply),
            "asked_at": at(reply.delays.asked_ms),
            "sent_ms": round(reply.play_out.sent_ms, 1),
            "heard_ms": round(reply.heard_ms, 1),
        },
    }


def _sent_text(reply: Reply) -> str:
    return reply.spoken.heard_text(reply.play_out.sent_ms) if reply.plan.is_audio else reply.spoken.text.strip()
