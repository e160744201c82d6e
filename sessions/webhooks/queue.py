"""Puts an event into the line of every webhook that wants it, in the transaction that writes what happened; sends nothing."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db.models import Count
from django.utils import timezone

from sessions.csv_cells import plain_number
from sessions.models import Session, Turn
from sessions.operator_models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent, new_delivery_id

log = structlog.get_logger(__name__)

WAITING_MAX = 10_000
"""Of one webhook; a receiver that is away for longer misses what comes then, and the log says so."""
ALERTS_LINE = "alerts"
PAYLOAD_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Happened:
    """`line`: those of a line are sent in order, a session's id or ALERTS_LINE.

    `is_held`: it takes its place in the line only when `sessions.records.endings` lets it go.
    """

    event: WebhookEvent
    line: str
    data: dict[str, Any]
    is_held: bool = False


def queue_events(happened: Sequence[Happened]) -> int:
    """Returns how many deliveries now wait. One query when no webhook is set up. Raises DatabaseError."""
    webhooks = list(Webhook.objects.filter(is_enabled=True))
    if not webhooks or not happened:
        return 0
    rows = [
        _delivery(webhook, each)
        for webhook in _with_room(webhooks, len(happened))
        for each in happened
        if each.event in webhook.events
    ]
    return len(WebhookDelivery.objects.bulk_create(rows))


def session_started(session: Session) -> Happened:
    return Happened(WebhookEvent.SESSION_STARTED, session.id, _session(session))


def session_ended(session: Session) -> Happened:
    """Held: its row ends at once, but its last turns come by the outbox, a moment later."""
    figures = {
        "ended_at": session.ended_at.isoformat() if session.ended_at else None,
        "end_reason": session.end_reason,
        "turn_count": session.turn_count,
        "cost_usd": plain_number(session.cost_usd),
    }
    return Happened(WebhookEvent.SESSION_ENDED, session.id, {**_session(session), **figures}, is_held=True)


def turns_finished(turns: Iterable[Turn]) -> list[Happened]:
    """Figures alone: what was said leaves the house by an operator's export only."""
    return [
        Happened(
            WebhookEvent.TURN_FINISHED,
            turn.session_id,
            {
                "session_id": turn.session_id,
                "turn_id": turn.turn_id,
                "reply_id": turn.reply_id,
                "graph_name": turn.graph_name,
                "status": turn.status,
                "error_code": turn.error_code,
                "started_at": turn.started_at.isoformat(),
                "ended_at": turn.ended_at.isoformat() if turn.ended_at else None,
                "first_audio_ms": turn.first_audio_ms,
                "delays": turn.delays,
            },
        )
        for turn in turns
    ]


def alert(code: str, text: str, **figures: Any) -> Happened:
    return Happened(WebhookEvent.ALERT, ALERTS_LINE, {"code": code, "text": text, **figures})


def _session(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "channel_name": session.channel_name,
        "graph_name": session.graph_name,
        "owner": session.owner,
        "started_at": session.started_at.isoformat(),
    }


def _with_room(webhooks: list[Webhook], count: int) -> list[Webhook]:
    waiting = dict(
        WebhookDelivery.objects.filter(state__in=(DeliveryState.HELD, DeliveryState.WAITING), webhook__in=webhooks)
        .order_by()
        .values_list("webhook_id")
        .annotate(count=Count("id"))
    )
    with_room = [webhook for webhook in webhooks if waiting.get(webhook.pk, 0) + count <= WAITING_MAX]
    for webhook in webhooks:
        if webhook not in with_room:
            log.error("webhook_line_full", webhook_id=webhook.pk, lost=count)
    return with_room


def _delivery(webhook: Webhook, happened: Happened) -> WebhookDelivery:
    delivery_id, now = new_delivery_id(), timezone.now()
    payload = {
        "id": delivery_id,
        "type": str(happened.event),
        "timestamp": now.isoformat(),
        "data": _bounded(happened.data),
    }
    return WebhookDelivery(
        delivery_id=delivery_id,
        webhook=webhook,
        event=happened.event,
        line=happened.line,
        payload=payload,
        state=DeliveryState.HELD if happened.is_held else DeliveryState.WAITING,
        created_at=now,
        next_attempt_at=now,
    )


def _bounded(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(data)) <= PAYLOAD_BYTES:
        return data
    return {
        name: value for name, value in data.items() if isinstance(value, str | int | float) and len(str(value)) <= 200
    }
