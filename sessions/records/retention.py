"""Sessions that have ended long ago are removed with all that was said in them; the days' sums stay."""

from datetime import timedelta

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from sessions.models import Session, SessionState

log = structlog.get_logger(__name__)
SESSIONS_AT_ONCE = 50
"""Removing one takes rows of nine tables: with many at once a writer would wait for the lock."""


def due_sessions(days: int) -> int:
    return _due(days).count()


def retire_some(days: int) -> int:
    """Removes at most 50 and says how many; 0: none is left. `days` 0 removes nothing. Raises DatabaseError."""
    if not days:
        return 0
    ids = list(_due(days).order_by("ended_at").values_list("id", flat=True)[:SESSIONS_AT_ONCE])
    if ids:
        Session.objects.filter(id__in=ids).delete()
        log.info("sessions_retired", count=len(ids), days=days)
    return len(ids)


def _due(days: int) -> "QuerySet[Session]":
    until = timezone.now() - timedelta(days=days)
    return Session.objects.filter(state=SessionState.ENDED, ended_at__lt=until)
