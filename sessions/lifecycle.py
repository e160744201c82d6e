"""The rules of a session's life and the only writer of its state; what is said in it is written by sessions.records.

A row says that a channel is started; the control stream tells the web process that holds its socket. When the
stream cannot be reached after a row was written, a start is taken back and a stop must be called again.
"""

from typing import Any, Literal

import structlog
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from sessions import budgets, presence
from sessions.access import owners_of_ended_keys
from sessions.configured import web_settings
from sessions.models import Session, SessionState, Turn
from sessions.operator_tables import grant_of_owner
from sessions.redis_clients import forget_pictures, publish_control
from sessions.webhooks.queue import queue_events, session_ended, session_started
from workers.errors import NovaError, StreamsUnavailableError
from workers.streams.messages import SessionStarted, StopSession

log = structlog.get_logger(__name__)

EndReason = Literal["stopped", "idle", "start_failed", "superseded", "drained", "failed", "budget", "key_ended"]
NEVER = -1
CLAIM_LOCK = 0x6E6F7661
CLAIM_WAIT = "3s"


class ChannelTakenError(NovaError):
    code = "10003"


class ChannelUnknownError(NovaError):
    code = "10002"


class CapacityError(NovaError):
    code = "10001"
    retriable = True


class RowsUnavailableError(NovaError):
    code = "rows_unavailable"
    retriable = True


def claim_channel(
    channel_name: str,
    graph_name: str,
    owner: str,
    *,
    overrides: dict[str, Any],
    user_uid: int,
    bot_uid: int,
    timeout_seconds: int | None = None,
) -> Session:
    """Start a session on a free channel, atomically across processes, and tell the other web processes.

    `timeout_seconds`: None is the default, NEVER never. `overrides` hold no secret. Raises ChannelTakenError,
    CapacityError, BudgetSpentError, RowsUnavailableError, StreamsUnavailableError.
    """
    budgets.refuse_when_spent(owner)
    session = Session(
        channel_name=channel_name,
        graph_name=graph_name,
        overrides=overrides,
        owner=owner,
        user_uid=user_uid,
        bot_uid=bot_uid,
        timeout_seconds=_timeout_seconds(timeout_seconds),
    )
    _insert_within_capacity(session)
    try:
        presence.touch([session.id])
        publish_control(SessionStarted(session_id=session.id, channel_name=channel_name))
    except StreamsUnavailableError:
        _end_row(session, "start_failed")
        raise
    log.info("session started", session_id=session.id, channel_name=channel_name, graph_name=graph_name)
    return session


def _timeout_seconds(wanted: int | None) -> int | None:
    if wanted == NEVER:
        return None
    return wanted or web_settings().session_idle_seconds


def _insert_within_capacity(session: Session) -> None:
    limit = web_settings().sessions_max
    try:
        with transaction.atomic():
            _take_claim_lock()
            session.save(force_insert=True)
            if Session.objects.filter(state=SessionState.STARTED).count() > limit:
                raise CapacityError(f"all {limit} sessions are in use; try again later")
            _check_own_limit(session.owner)
            queue_events([session_started(session)])
    except IntegrityError as error:
        raise ChannelTakenError("channel existed") from error
    except DatabaseError as error:
        raise RowsUnavailableError("the database cannot be reached; try again in a moment") from error


def _check_own_limit(owner: str) -> None:
    """An operator may allow a key fewer sessions than the site has."""
    grant = grant_of_owner(owner)
    own_limit = grant.sessions_at_once if grant is not None else None
    if own_limit is not None and Session.objects.filter(state=SessionState.STARTED, owner=owner).count() > own_limit:
        raise CapacityError(f"all {own_limit} sessions of this API key are in use; try again later")


def _take_claim_lock() -> None:
    """SQLite's immediate transaction is the lock itself; PostgreSQL needs one for the count to be exact."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [CLAIM_WAIT])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])


def find_started(channel_name: str) -> Session | None:
    return Session.objects.filter(channel_name=channel_name, state=SessionState.STARTED).first()


def find_own_started(channel_name: str, owner: str) -> Session:
    """Raises ChannelUnknownError, for another owner's channel exactly as for an unknown one."""
    session = find_started(channel_name)
    if session is None or session.owner != owner:
        raise ChannelUnknownError("channel not existed")
    return session


def has_ended(channel_name: str, owner: str) -> bool:
    """The owner had this channel, and it is not started now."""
    own = Session.objects.filter(channel_name=channel_name, owner=owner)
    return own.exists() and not own.filter(state=SessionState.STARTED).exists()


def newest_turns(session_id: str, count: int) -> list[Turn]:
    """Oldest first."""
    return list(Turn.objects.filter(session_id=session_id).order_by("-started_at", "-id")[:count])[::-1]


def list_started(owner: str) -> list[Session]:
    return list(Session.objects.filter(owner=owner, state=SessionState.STARTED).order_by("started_at"))


def end_session(channel_name: str, reason: EndReason) -> bool:
    """End whatever is started on the channel. True when it was this call that ended it."""
    session = find_started(channel_name)
    return session is not None and end_found_session(session, reason)


def end_found_session(session: Session, reason: EndReason) -> bool:
    """End this very session, never a newer one on its channel. True when it was this call that ended it."""
    ended = _end_row(session, reason)
    publish_control(StopSession(session_id=session.id, reason=reason))
    forget_pictures(session.id)
    if ended:
        log.info("session ended", session_id=session.id, channel_name=session.channel_name, reason=reason)
    return ended


def end_spent(session_id: str) -> None:
    """Its budget is spent. Raises DatabaseError, StreamsUnavailableError."""
    session = Session.objects.filter(id=session_id, state=SessionState.STARTED).first()
    if session is not None:
        end_found_session(session, "budget")


def stop_channel(channel_name: str, owner: str) -> bool:
    """The owner's stop. False when the channel was stopped already.

    That is announced once more, because the first announcement may have been lost. Raises ChannelUnknownError
    when the owner never had the channel.
    """
    own = Session.objects.filter(channel_name=channel_name, owner=owner)
    session = own.filter(state=SessionState.STARTED).first() or own.order_by("-started_at").first()
    if session is None:
        raise ChannelUnknownError("channel not existed")
    return end_found_session(session, "stopped")


def _end_row(session: Session, reason: EndReason) -> bool:
    started = Session.objects.filter(id=session.id, state=SessionState.STARTED)
    with transaction.atomic():
        has_ended = bool(started.update(state=SessionState.ENDED, ended_at=timezone.now(), end_reason=reason))
        if has_ended:
            session.refresh_from_db()
            queue_events([session_ended(session)])
    return has_ended


def end_for_ended_keys() -> list[Session]:
    """End every session whose API key was revoked or has expired; returns those that this call ended."""
    owners = owners_of_ended_keys()
    if not owners:
        return []
    started = Session.objects.filter(state=SessionState.STARTED, owner__in=owners)
    return [session for session in started if end_found_session(session, "key_ended")]


def reap_once() -> list[Session]:
    """End every session that was idle for longer than its timeout; returns those that this call ended."""
    limited = list(Session.objects.filter(state=SessionState.STARTED, timeout_seconds__isnull=False))
    return [session for session in presence.idle_sessions(limited) if end_found_session(session, "idle")]
