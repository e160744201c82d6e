"""The audit log: who did what to which session, key, graph or webhook, and from where."""

from typing import Any

import structlog
from django.http import HttpRequest

from sessions.access import client_address
from sessions.operator_models import AuditEntry

log = structlog.get_logger(__name__)


def note(request: HttpRequest, action: str, target_kind: str, target_id: object, **detail: Any) -> AuditEntry:
    """Written before the deed, so that one that cannot be noted is not done. Raises DatabaseError."""
    user = request.user
    entry = AuditEntry.objects.create(
        actor=user.get_username(),
        actor_id=user.pk,
        address=address_of(request),
        action=action,
        target_kind=target_kind,
        target_id=str(target_id)[:100],
        detail=detail,
    )
    log.info("operator_acted", actor_id=user.pk, action=action, target_kind=target_kind, target_id=entry.target_id)
    return entry


def address_of(request: HttpRequest) -> str:
    forwarded = request.headers.get("X-Forwarded-For")
    return client_address([forwarded] if forwarded else [], request.META.get("REMOTE_ADDR") or "unknown")[:64]
