"""The rules of a session's life and the only writer of rows; synchronous.

A row says that a channel is started; the control stream tells the web process that holds its socket. When the
stream cannot be reached after a row was written, a start is taken back and a stop must be called again.
"""

import json
from collections.abc import Iterable
from typing import Any, Literal

import structlog
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sessions import presence
from sessions.configured import web_settings
from sessions.live.turn_taking.log import KEPT_LINES
from sessions.models import DecisionLog, Session, SessionState, Turn
from sessions.redis_clients import publish_control
from workers.errors import NovaError, StreamsUnavailableError
from workers.streams.messages import SessionStarted, StopSession

log = structlog.get_logger(__name__)

EndReason = Literal["stopped", "idle", "start_failed", "superseded", "drained", "failed"]
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
    CapacityError, RowsUnavailableError, StreamsUnavailableError.
    """
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
    except IntegrityError as error:
        raise ChannelTakenError("channel existed") from error
    except DatabaseError as error:
        raise RowsUnavailableError("the database cannot be reached; try again in a moment") from error


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
    if ended:
        log.info("session ended", session_id=session.id, channel_name=session.channel_name, reason=reason)
    return ended


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
    return bool(started.update(state=SessionState.ENDED, ended_at=timezone.now(), end_reason=reason))


def reap_once() -> list[Session]:
    """End every session that was idle for longer than its timeout; returns those that this call ended."""
    limited = list(Session.objects.filter(state=SessionState.STARTED, timeout_seconds__isnull=False))
    return [session for session in presence.idle_sessions(limited) if end_found_session(session, "idle")]


class TurnRecord(BaseModel):
    """One entry of the records stream. Times are ISO 8601 with a zone, or (milli)seconds since 1970."""

    model_config = ConfigDict(extra="ignore")

    session_id: str = Field(max_length=64)
    turn_id: str = Field(min_length=1, max_length=64)
    reply_id: str = Field(default="", max_length=64)
    user_text: str = ""
    reply_text: str = ""
    heard_text: str = ""
    status: str = Field(default="", max_length=32)
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    delays: dict[str, float] = Field(default_factory=dict)
    error_code: str = Field(default="", max_length=64)


def record_turns(turns: list[Turn]) -> int:
    """Write finished turns; a second record of the same turn_id changes nothing. Returns how many rows were added.

    Those of a session that is gone are dropped. Raises DatabaseError while the database is away; the caller then
    keeps the entries. A few statements for all: each row's own would hold the interpreter from the voices beside it.
    """
    known = _known_sessions(turn.session_id for turn in turns)
    written = set(Turn.objects.filter(turn_id__in=[turn.turn_id for turn in turns]).values_list("turn_id", flat=True))
    new = {turn.turn_id: turn for turn in reversed(turns) if turn.session_id in known and turn.turn_id not in written}
    return len(Turn.objects.bulk_create(reversed(new.values()), ignore_conflicts=True))


def _known_sessions(session_ids: Iterable[str]) -> set[str]:
    wanted = set(session_ids)
    known = set(Session.objects.filter(id__in=wanted).values_list("id", flat=True))
    if wanted - known:
        log.warning("records of unknown sessions dropped", session_ids=sorted(wanted - known))
    return known


def turn_of(record: dict[str, Any]) -> Turn:
    """Raises pydantic.ValidationError for a malformed record."""
    fields = TurnRecord.model_validate(record).model_dump()
    for name in ("user_text", "reply_text", "heard_text"):
        # PostgreSQL's text takes no NUL character.
        fields[name] = fields[name].replace("\x00", "")
    return Turn(**fields)


class DecisionsRecord(BaseModel):
    """Lines of the turn engine's log as sessions.live.turn_taking.log writes them."""

    model_config = ConfigDict(extra="ignore")

    session_id: str = Field(max_length=64)
    generation: int = Field(ge=0)
    lines: list[dict[str, Any]] = Field(min_length=1, max_length=KEPT_LINES)


def decisions_of(record: dict[str, Any]) -> DecisionLog:
    """Raises pydantic.ValidationError for a malformed record."""
    wanted = DecisionsRecord.model_validate(record)
    return DecisionLog(
        session_id=wanted.session_id,
        generation=wanted.generation,
        first_number=int(wanted.lines[0]["number"]),
        lines=[_without_nul(line) for line in wanted.lines],
    )


def record_decisions(logs: list[DecisionLog]) -> int:
    """Write batches of decisions; the same again changes nothing. Returns and raises as `record_turns` does."""
    known = _known_sessions(log_.session_id for log_ in logs)
    rows = [log_ for log_ in logs if log_.session_id in known]
    return len(DecisionLog.objects.bulk_create(rows, ignore_conflicts=True))


def _without_nul(line: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL's JSON takes no NUL character."""
    cleaned: dict[str, Any] = json.loads(json.dumps(line).replace("\\u0000", ""))
    return cleaned


def correct_heard_text(reply_id: str, heard_text: str) -> bool:
    """A reply was cut off after its end had been recorded: keep what was really heard. Raises DatabaseError."""
    heard_text = heard_text.replace("\x00", "")
    return bool(Turn.objects.filter(reply_id=reply_id).update(heard_text=heard_text, status="interrupted"))
