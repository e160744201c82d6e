"""Turns of one day for the admin's benchmark, with their sessions, replies and costs."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from sessions.models import DailyUsage, Reply, Session, Turn, Usage

TURNS_A_SESSION = 10
SESSIONS_A_BATCH = 200
RUNNING = 50
GRAPHS = ("voice", "vision", "va_nova_multimodal_aws")
ANSWER = "It is far away. Nobody walks there, but you may look at it tonight. " * 3


def fill(turns: int, now: datetime) -> str:
    """The id of one of the sessions."""
    chance = random.Random(1)
    sessions = [_session(number, now, chance) for number in range(turns // TURNS_A_SESSION)]
    Session.objects.bulk_create(sessions, 2_000)
    for start in range(0, len(sessions), SESSIONS_A_BATCH):
        made = list(_turns(sessions[start : start + SESSIONS_A_BATCH], chance))
        Turn.objects.bulk_create(made)
        Reply.objects.bulk_create(_reply(turn) for turn in made)
        Usage.objects.bulk_create(_usage(turn) for turn in made)
    DailyUsage.objects.bulk_create(
        DailyUsage(
            day=now.date(),
            owner=f"key:{owner}",
            graph_name=graph,
            service="language_model",
            provider="aws",
            cost_usd=Decimal(1),
        )
        for owner in range(50)
        for graph in GRAPHS
    )
    return sessions[len(sessions) // 2].id


def _session(number: int, now: datetime, chance: random.Random) -> Session:
    started_at = now - timedelta(seconds=86_000 * chance.random() + 100)
    is_running = number < RUNNING
    return Session(
        id=f"sess_{number}",
        channel_name=f"room_{number}",
        graph_name=GRAPHS[number % len(GRAPHS)],
        owner=f"key:{number % 50}",
        user_uid=1,
        bot_uid=2,
        state="started" if is_running else "ended",
        started_at=started_at,
        connected_at=started_at,
        ended_at=None if is_running else started_at + timedelta(seconds=90),
        turn_count=TURNS_A_SESSION,
        cost_usd=Decimal("0.01"),
    )


def _turns(sessions: list[Session], chance: random.Random) -> Iterator[Turn]:
    for session in sessions:
        for number in range(TURNS_A_SESSION):
            ended_at = session.started_at + timedelta(seconds=8 * number + 6)
            audio_ms, has_failed = chance.lognormvariate(6.3, 0.6), chance.random() < 0.02
            yield Turn(
                session=session,
                graph_name=session.graph_name,
                turn_id=f"item_{session.id}_{number}",
                reply_id=f"resp_{session.id}_{number}",
                user_text="How far away is the moon, and can I walk there?",
                reply_text=ANSWER,
                heard_text="It is far away.",
                status="failed" if has_failed else "interrupted" if chance.random() < 0.15 else "completed",
                error_code="provider_timeout" if has_failed else "",
                started_at=ended_at - timedelta(seconds=5),
                ended_at=ended_at,
                delays={"end_of_turn": 500.0, "first_sentence": audio_ms * 0.7, "first_audio": audio_ms},
                first_audio_ms=None if has_failed else 500.0 + audio_ms,
            )


def _reply(turn: Turn) -> Reply:
    return Reply(
        session_id=turn.session_id,
        turn_id=turn.turn_id,
        reply_id=turn.reply_id,
        status="completed",
        generated_text=turn.reply_text,
        heard_text=turn.heard_text,
        asked_at=turn.started_at,
        ended_at=turn.ended_at,
    )


def _usage(turn: Turn) -> Usage:
    return Usage(
        usage_id=f"{turn.turn_id}.m",
        session_id=turn.session_id,
        reply_id=turn.reply_id,
        at=turn.started_at,
        service="language_model",
        provider="aws",
        model="us.amazon.nova-pro-v1:0",
        input_tokens=900,
        output_tokens=60,
        cost_usd=Decimal("0.0009"),
    )
