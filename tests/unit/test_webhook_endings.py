"""The end of a session is the last that a webhook is told of it."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from redis import asyncio as aioredis

from sessions import lifecycle
from sessions.models import Session
from sessions.operator_models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from sessions.records.endings import ROUNDS_MAX, Endings
from sessions.records.outbox import Outbox
from sessions.records.rows import write_batch
from sessions.records.writer import RecordWriter
from sessions.webhooks import sender
from sessions.webhooks.signing import new_secret, seal
from tests.unit.record_samples import AT, read, turn
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
ALL_EVENTS = [event.value for event in WebhookEvent]


@pytest.fixture
def hook(db: None) -> Callable[[list[str]], Webhook]:
    def make(events: list[str]) -> Webhook:
        return Webhook.objects.create(url="https://example.org/", sealed_secret=seal(new_secret()), events=events)

    return make


def queued() -> list[str]:
    return list(WebhookDelivery.objects.order_by("id").values_list("event", flat=True))


def ended_talk(**connection: Any) -> Session:
    """Stopped while its last turn is still on its way."""
    session = lifecycle.claim_channel("room", "voice", "me", overrides={}, user_uid=1, bot_uid=2)
    socket = {"kind": "connection", "session_id": session.id, "generation": 7, "connected_at": AT, **connection}
    write_batch(read(socket))
    lifecycle.end_found_session(session, "stopped")
    return session


def empty_stream(endings: Endings, *records: dict[str, Any]) -> None:
    """One round of the record writer."""
    endings.look()
    write_batch(read(*records))
    endings.tell()


def last_words(session: Session) -> list[dict[str, Any]]:
    closed = {"kind": "connection", "session_id": session.id, "generation": 7, "disconnected_at": AT + 9}
    return [turn(1, session.id), closed]


def test_the_end_of_a_session_is_told_behind_its_last_turn(
    hook: Callable[[list[str]], Webhook], configure: Configure
) -> None:
    configure()
    hook(ALL_EVENTS)
    session, endings = ended_talk(), Endings()
    empty_stream(endings)
    assert [each.delivery.event for each in sender.claim_due()] == ["session.started"]
    empty_stream(endings, *last_words(session))
    assert queued() == ["session.started", "turn.finished", "session.ended"]
    assert WebhookDelivery.objects.order_by("id")[2].payload["data"]["turn_count"] == 1


def test_an_end_that_comes_while_the_stream_is_emptied_waits_for_the_next_round(
    hook: Callable[[list[str]], Webhook], configure: Configure
) -> None:
    configure()
    hook(["session.ended"])
    endings = Endings()
    endings.look()
    ended_talk(disconnected_at=AT + 1)
    endings.tell()
    assert WebhookDelivery.objects.get().state == DeliveryState.HELD
    empty_stream(endings)
    assert WebhookDelivery.objects.get().state == DeliveryState.WAITING


def test_a_process_that_died_does_not_hold_the_end_for_ever(
    hook: Callable[[list[str]], Webhook], configure: Configure
) -> None:
    configure()
    hook(["session.ended"])
    ended_talk()
    endings = Endings()
    for _ in range(ROUNDS_MAX - 1):
        empty_stream(endings)
    assert WebhookDelivery.objects.get().state == DeliveryState.HELD
    empty_stream(endings)
    assert WebhookDelivery.objects.get().state == DeliveryState.WAITING


async def test_the_record_writer_tells_what_is_held(
    hook: Callable[[list[str]], Webhook], configure: Configure, redis_url: str, transactional_db: None
) -> None:
    configure()
    await sync_to_async(hook)(ALL_EVENTS)
    session = await sync_to_async(ended_talk)()
    client = aioredis.Redis.from_url(redis_url)
    writer = RecordWriter(client)
    for record in last_words(session):
        await Outbox(client).keep(record)
    await writer.write_all()
    writer.close()
    await client.aclose()
    assert await sync_to_async(queued)() == ["session.started", "turn.finished", "session.ended"]
