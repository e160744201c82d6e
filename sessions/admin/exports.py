"""A session as a file that leaves the house: JSON, CSV or subtitles; pure, one text at a time."""

import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sessions.csv_cells import plain_number, write_csv
from sessions.models import Reply, Session, Turn

FORMATS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "srt": "application/x-subrip; charset=utf-8"}
COLUMNS = (
    "turn_id",
    "started_at",
    "ended_at",
    "user",
    "agent_heard",
    "agent_written",
    "status",
    "error_code",
    "first_audio_ms",
)
LEAST_CAPTION = timedelta(seconds=1)


def as_json(session: Session, turns: Iterable[Turn], replies: dict[str, Reply]) -> str:
    body = {
        "session_id": session.id,
        "channel_name": session.channel_name,
        "graph_name": session.graph_name,
        "started_at": session.started_at.isoformat(),
        "ended_at": session.ended_at.isoformat() if session.ended_at else None,
        "end_reason": session.end_reason,
        "cost_usd": plain_number(session.cost_usd),
        "turns": [{**_row(turn, replies), "delays": turn.delays} for turn in turns],
    }
    return json.dumps(body, ensure_ascii=False, indent=1)


def as_csv(session: Session, turns: Iterable[Turn], replies: dict[str, Reply]) -> str:
    """DB-05: nothing in it is a formula."""
    out = io.StringIO()
    write_csv(out, [COLUMNS, *([_row(turn, replies)[name] for name in COLUMNS] for turn in turns)])
    return out.getvalue()


def as_srt(session: Session, turns: Iterable[Turn], replies: dict[str, Reply]) -> str:
    """One caption for what each said, from the session's start on; of the agent only what was heard."""
    captions = [caption for turn in turns for caption in _captions(session.started_at, turn, replies)]
    numbered = (f"{number}\n{caption}" for number, caption in enumerate(captions, 1))
    return "\n".join(numbered)


def _captions(origin: datetime, turn: Turn, replies: dict[str, Reply]) -> Iterator[str]:
    spoken_until = turn.paused_at or turn.started_at
    if turn.user_text:
        yield _caption(turn.started_at - origin, spoken_until - origin, "User", turn.user_text)
    heard = _heard(turn, replies)
    if heard:
        begins = spoken_until + timedelta(milliseconds=turn.first_audio_ms or 0)
        yield _caption(begins - origin, (turn.ended_at or begins) - origin, "Agent", heard)


def _caption(start: timedelta, end: timedelta, who: str, text: str) -> str:
    start = max(start, timedelta(0))
    end = max(end, start + LEAST_CAPTION)
    # An empty line would end the caption.
    line = " ".join(text.split())
    return f"{_clock(start)} --> {_clock(end)}\n{who}: {line}\n"


def _clock(at: timedelta) -> str:
    total_ms = round(at.total_seconds() * 1_000)
    seconds, milliseconds = divmod(total_ms, 1_000)
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{milliseconds:03d}"


def _heard(turn: Turn, replies: dict[str, Reply]) -> str:
    reply = replies.get(turn.turn_id)
    return reply.heard_text if reply is not None else turn.heard_text


def _row(turn: Turn, replies: dict[str, Reply]) -> dict[str, Any]:
    reply = replies.get(turn.turn_id)
    return {
        "turn_id": turn.turn_id,
        "started_at": turn.started_at.isoformat(),
        "ended_at": turn.ended_at.isoformat() if turn.ended_at else None,
        "user": turn.user_text,
        "agent_heard": _heard(turn, replies),
        "agent_written": reply.generated_text if reply is not None else turn.reply_text,
        "status": turn.status,
        "error_code": turn.error_code,
        "first_audio_ms": turn.first_audio_ms,
    }


MAKERS = {"json": as_json, "csv": as_csv, "srt": as_srt}
