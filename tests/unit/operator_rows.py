"""Rows for tests of the admin: people of every role, and a session with everything that a talk can leave."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group, User
from django.utils import timezone

from sessions.models import (
    DecisionLog,
    Event,
    FrameSet,
    Reply,
    Session,
    SessionState,
    ToolCall,
    Turn,
    Usage,
)

ROLES = ("viewer", "operator", "admin")
STARTED_AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def person(role: str) -> User:
    """`role` "nobody" signs in to the page alone; "staff" may enter the admin and has no role; "root" is a superuser."""
    user = User.objects.create(username=f"{role}-1", is_staff=role != "nobody", is_superuser=role == "root")
    if role in ROLES:
        user.groups.add(Group.objects.get(name=role))
    return user


def talk(
    text: str = "hello there",
    *,
    channel_name: str = "room",
    state: SessionState = SessionState.ENDED,
    started_at: datetime = STARTED_AT,
    turns: int = 1,
    facts: str = "a fact",
) -> Session:
    """`text` stands in every place that a user, a model or a tool can write into, `facts` where the system writes."""
    is_over = state == SessionState.ENDED
    session = Session.objects.create(
        channel_name=channel_name,
        graph_name="voice",
        owner="key:0123456789",
        user_uid=1,
        bot_uid=2,
        state=state,
        started_at=started_at,
        connected_at=started_at,
        ended_at=started_at + timedelta(minutes=1) if is_over else None,
        end_reason="stopped" if is_over else "",
        providers={"model": facts},
        turn_count=turns,
        cost_usd=Decimal("0.0123"),
    )
    for number in range(turns):
        _turn(session, number, text)
    Event.objects.create(
        event_id=f"{session.id}.e", session=session, at=started_at, kind="fault", code="provider_timeout", text=facts
    )
    lines = [
        {
            "number": 1,
            "at_ms": 1_500.0,
            "event": {"is": "WordsHeard", "text": text},
            "state": "speaking",
            "decisions": [{"is": "EndTurn", "text": text, "reason": "final words"}],
        }
    ]
    DecisionLog.objects.create(session=session, generation=1, started_at=started_at, first_number=0, lines=lines)
    return session


def _turn(session: Session, number: int, text: str) -> None:
    began = session.started_at + timedelta(seconds=1 + 10 * number)
    turn = Turn.objects.create(
        session=session,
        graph_name=session.graph_name,
        turn_id=f"item_{session.id}_{number}",
        reply_id=f"resp_{session.id}_{number}",
        user_text=text,
        reply_text=text,
        heard_text=text[: len(text) // 2],
        status="interrupted",
        started_at=began,
        paused_at=began + timedelta(seconds=1),
        ended_at=began + timedelta(seconds=4),
        delays={"end_of_turn": 500.0, "first_sentence": 300.0, "speech_asked": 303.0, "first_audio": 420.0},
        first_audio_ms=920.0,
    )
    reply = Reply.objects.create(
        session=session,
        turn=turn,
        reply_id=turn.reply_id,
        status="cancelled",
        error_text=text,
        model_id="us.amazon.nova-pro-v1:0",
        voice="Ruth",
        engine="generative",
        generated_text=text,
        synthesised_text=text,
        sent_text=text,
        heard_text=text[: len(text) // 2],
        asked_at=began + timedelta(seconds=2),
        ended_at=turn.ended_at,
    )
    ToolCall.objects.create(
        reply=reply,
        number=0,
        tool_use_id=f"tool_{turn.turn_id}",
        name=text[:128],
        arguments={"place": text},
        runs_at="worker",
        is_error=False,
        result_bytes=42,
        called_at=began,
    )
    FrameSet.objects.create(
        reply=reply, frames=[{"key": f"nova:frame:{number}:kept", "source": "camera", "kind": text}], picture_count=1
    )
    Usage.objects.create(
        usage_id=f"{turn.turn_id}.model",
        session=session,
        reply_id=turn.reply_id,
        at=timezone.now(),
        service="language_model",
        provider="aws",
        model="us.amazon.nova-pro-v1:0",
        input_tokens=1_000,
        picture_tokens=800,
        output_tokens=50,
        cost_usd=Decimal("0.00096"),
    )
