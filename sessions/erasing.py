"""Erases one session: its rows, and nothing of others."""

from dataclasses import dataclass

from sessions import lifecycle
from sessions.models import Session, SessionState


@dataclass(frozen=True, slots=True)
class Erasure:
    rows: int
    entries: int


def erase_session(session_id: str) -> Erasure:
    """A running one is ended first. Erasing it again erases nothing."""
    session = Session.objects.filter(id=session_id).first()
    if session is None:
        return Erasure(0, 0)
    if session.state == SessionState.STARTED:
        lifecycle.end_found_session(session, "stopped")
    return Erasure(session.delete()[0], 0)
