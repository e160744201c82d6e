"""Records as a live session writes them, and databases to write them to; for the tests of rows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from sessions.models import DailyUsage, Session
from sessions.records.entries import AnyRecord, read_record
from tests.databases import used_database
from tests.postgres import fresh_database, postgres_url

__all__ = ["database", "empty_database", "postgres_url"]

AT = 1_795_334_400.0
"""A second of 2026-11-22."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A migrated one of each kind, for all tests of a module; each leaves rows to `empty_database`."""
    url = f"sqlite:///{tmp_path_factory.mktemp('rows') / 'rows.sqlite3'}"
    if request.param == "postgres":
        url = fresh_database(request.getfixturevalue("postgres_url"))
    with used_database(url, django_db_blocker):
        yield url


@pytest.fixture
def empty_database(database: str) -> str:
    for model in (Session, DailyUsage):
        model.objects.all().delete()
    return database


def make_session(session_id: str = "sess_1", **fields: Any) -> Session:
    named = {"channel_name": f"channel of {session_id}", "graph_name": "voice", "owner": "key:a", **fields}
    named.setdefault("providers", {"text_to_speech": "aws"})
    return Session.objects.create(id=session_id, user_uid=1, bot_uid=2, **named)


def turn(number: int = 1, session_id: str = "sess_1", **fields: Any) -> dict[str, Any]:
    reply = {
        "status": "completed",
        "model_id": "us.amazon.nova-pro-v1:0",
        "voice": "Ruth",
        "engine": "generative",
        "generated_text": "It is noon. Anything else?",
        "synthesised_text": "It is noon. Anything else?",
        "sent_text": "It is noon. Anything else?",
        "asked_at": AT + number,
    }
    return {
        "kind": "turn",
        "session_id": session_id,
        "generation": 7,
        "turn_id": f"turn_{session_id}_{number}",
        "reply_id": f"resp_{session_id}_{number}",
        "user_text": "What time is it?",
        "reply_text": "It is noon. Anything else?",
        "heard_text": "It is noon. Anything else?",
        "status": "completed",
        "started_at": AT + number - 2,
        "paused_at": AT + number - 0.5,
        "ended_at": AT + number + 3,
        "delays": {"end_of_turn": 500.0, "first_audio": 312.5},
        "reply": reply,
        "unknown_to_this_release": True,
        **fields,
    }


def thinking(reply_id: str = "resp_sess_1_1", **fields: Any) -> dict[str, Any]:
    return {
        "usage_id": f"{reply_id}.0:thinking",
        "reply_id": reply_id,
        "at": AT,
        "service": "language_model",
        "provider": "aws",
        "model": "us.amazon.nova-pro-v1:0",
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cost_usd": "0.00112",
        **fields,
    }


def speaking(reply_id: str = "resp_sess_1_1", **fields: Any) -> dict[str, Any]:
    return {
        "usage_id": f"{reply_id}:speaking:generative",
        "reply_id": reply_id,
        "at": AT,
        "service": "text_to_speech",
        "provider": "aws",
        "model": "generative",
        "characters": 26,
        "cost_usd": "0.00078",
        **fields,
    }


def event(number: int = 1, kind: str = "fault", **fields: Any) -> dict[str, Any]:
    return {"event_id": f"sess_1.7.{number}", "at": AT, "kind": kind, "code": "model_stalled", "text": "late", **fields}


def read(*records: dict[str, Any]) -> list[AnyRecord]:
    return [read_record(json.dumps(record)) for record in records]


def entries(*records: dict[str, Any], first: int = 1) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """As they stand on the stream."""
    return [(f"{first + n}-0".encode(), {b"body": json.dumps(record).encode()}) for n, record in enumerate(records)]
