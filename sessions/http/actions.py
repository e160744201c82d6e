"""What the HTTP calls do, whatever style they came in; synchronous, knows no request."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import structlog

from sessions import lifecycle, presence
from sessions.configured import web_settings
from sessions.graphs.library import load_graph
from sessions.http.callers import Caller, count_call
from sessions.http.schemas import Generated, ListedSession, RealtimeAccess
from sessions.models import Session
from sessions.rtc_tokens.rtc_token import rtc_token
from sessions.rtc_tokens.socket_ticket import issue_ticket
from workers.errors import BadInputError

log = structlog.get_logger(__name__)

HIGHEST_CHOSEN_UID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class StartWish:
    """`timeout_seconds`: None is the server's default, lifecycle.NEVER never."""

    channel_name: str
    graph_name: str
    user_uid: int | None = None
    bot_uid: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    timeout_seconds: int | None = None


def random_channel_name() -> str:
    return "nova_" + secrets.token_hex(16)


def generate(caller: Caller, channel_name: str | None, uid: int, socket_url: str) -> Generated:
    """Tickets for a channel; never for another owner's running channel, never the agent's own token."""
    count_call(caller, "generate")
    settings = web_settings()
    uid = uid or secrets.randbelow(HIGHEST_CHOSEN_UID) + 1
    if channel_name is None:
        channel_name = random_channel_name()
    else:
        _check_ticket_allowed(caller, channel_name, uid)
    secret, expires_at = issue_ticket(channel_name, caller.owner)
    return Generated(
        app_id=settings.agora_app_id,
        channel_name=channel_name,
        uid=uid,
        token=rtc_token(settings, channel_name, uid),
        realtime=RealtimeAccess(url=socket_url, client_secret=secret, expires_at=expires_at),
    )


def _check_ticket_allowed(caller: Caller, channel_name: str, uid: int) -> None:
    running = lifecycle.find_started(channel_name)
    if running is None:
        return
    if running.owner != caller.owner:
        raise lifecycle.ChannelTakenError("channel existed")
    if uid == running.bot_uid:
        raise BadInputError("params invalid: uid: this one is the agent's own", field="uid")


def start(caller: Caller, wish: StartWish) -> Session:
    """Checks everything that the client wrote before it claims the channel."""
    count_call(caller, "start")
    graph = load_graph(wish.graph_name)
    overrides = graph.checked(wish.properties)
    graph.session_config(overrides, web_settings())
    if inert := graph.inert_names(overrides):
        log.info("properties without effect", graph_name=graph.name, properties=inert)
    user_uid, bot_uid = wish.user_uid or graph.user_uid, wish.bot_uid or graph.bot_uid
    return lifecycle.claim_channel(
        wish.channel_name,
        graph.name,
        caller.owner,
        overrides=overrides,
        user_uid=user_uid,
        bot_uid=bot_uid,
        timeout_seconds=wish.timeout_seconds,
    )


def stop(caller: Caller, channel_name: str) -> None:
    lifecycle.stop_channel(channel_name, caller.owner)


def ping(caller: Caller, channel_name: str) -> None:
    presence.touch([lifecycle.find_own_started(channel_name, caller.owner).id])


def list_sessions(caller: Caller) -> list[ListedSession]:
    return [
        ListedSession(
            channel_name=session.channel_name,
            created_at=int(session.started_at.timestamp()),
            graph_name=session.graph_name,
            session_id=session.id,
        )
        for session in lifecycle.list_started(caller.owner)
    ]
