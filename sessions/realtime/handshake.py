"""Who knocks at the websocket: reads the handshake, checks its place and its secret; opens nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qs

from sessions.access import (
    OPEN_OWNER,
    authenticate_key,
    host_is_allowed,
    origin_is_allowed,
    origin_secret_matches,
    owners_of_ended_keys,
)
from sessions.configured import web_settings
from sessions.operator_tables import KeyGrant
from sessions.realtime.doorway import Visitor
from sessions.realtime.limits import CloseCode
from sessions.realtime.resume_wish import read_wish
from sessions.rtc_tokens.errors import TicketError
from sessions.rtc_tokens.socket_ticket import PREFIX as TICKET_PREFIX
from sessions.rtc_tokens.socket_ticket import read_ticket
from workers.errors import BadInputError, NovaError

Subprotocol = Literal["nova.binary", "nova.json", "realtime"]
KEY_SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
_SUBPROTOCOLS: tuple[Subprotocol, ...] = ("nova.binary", "nova.json", "realtime")
_SECRET_PARAMETERS = frozenset(
    [
        "access_token",
        "api_key",
        "api-key",
        "apikey",
        "authorization",
        "client_secret",
        "key",
        "secret",
        "ticket",
        "token",
    ]
)
_QUERY_LIMIT_BYTES = 4_096


class HandshakeRefusedError(NovaError):
    """`status` is the answer where the server can still give one, `close_code` where it cannot."""

    def __init__(self, text: str, *, code: str, status: int, close_code: CloseCode) -> None:
        super().__init__(text, code=code)
        self.status = status
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Handshake:
    host: str
    origin: str | None
    origin_secret: str | None
    offered: tuple[str, ...]
    secret: str | None = field(repr=False)
    query: Mapping[str, list[str]] = field(repr=False)

    @property
    def subprotocol(self) -> Subprotocol | None:
        return next((name for name in _SUBPROTOCOLS if name in self.offered), None)

    @property
    def speaks_nova(self) -> bool:
        return self.subprotocol in ("nova.binary", "nova.json")

    @property
    def is_browser(self) -> bool:
        """A browser's script sees no HTTP answer, so it is told by a close code."""
        return self.origin is not None or any(name.startswith(KEY_SUBPROTOCOL_PREFIX) for name in self.offered)

    def parameter(self, name: str) -> str | None:
        return self.query.get(name, [""])[0] or None


def read_handshake(scope: Mapping[str, Any]) -> Handshake:
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    offered = tuple(scope.get("subprotocols", []))
    query = scope.get("query_string", b"")[:_QUERY_LIMIT_BYTES].decode("latin-1")
    return Handshake(
        host=headers.get(b"host", ""),
        origin=headers.get(b"origin"),
        origin_secret=headers.get(b"x-origin-secret"),
        offered=offered,
        secret=_bearer(headers.get(b"authorization", "")) or _offered_secret(offered),
        query=parse_qs(query, max_num_fields=64) if query.count("&") < 64 else {},
    )


def _bearer(authorization: str) -> str | None:
    scheme, _, secret = authorization.partition(" ")
    return (secret.strip() or None) if scheme.lower() == "bearer" else None


def _offered_secret(offered: tuple[str, ...]) -> str | None:
    for name in offered:
        if name.startswith(KEY_SUBPROTOCOL_PREFIX):
            return name.removeprefix(KEY_SUBPROTOCOL_PREFIX) or None
    return None


def admit(handshake: Handshake) -> Visitor:
    """Raises a HandshakeRefusedError. Asks neither Redis nor the database."""
    _check_place(handshake)
    if _has_secret_in_url(handshake):
        raise _unauthenticated("secret_in_url", "a secret never goes into the URL, where logs keep it")
    channel = handshake.parameter("channel_name")
    model = handshake.parameter("model")
    if handshake.secret is not None and handshake.secret.startswith(TICKET_PREFIX):
        return _with_wish(_admit_ticket(handshake.secret, channel, model), handshake)
    grant = authenticate_key(handshake.secret) if handshake.secret is not None else None
    if grant is None and web_settings().auth == "open":
        grant = KeyGrant(OPEN_OWNER)
    if grant is None:
        raise _unauthenticated("invalid_api_key", "give an API key or a client secret")
    if "socket" not in grant.scopes:
        raise _not_allowed("scope_missing", "this API key has not the scope 'socket'; open it with a client secret")
    return _with_wish(Visitor(grant.owner, channel, model=model), handshake)


def _with_wish(visitor: Visitor, handshake: Handshake) -> Visitor:
    return replace(visitor, can_return=handshake.speaks_nova, resume=read_wish(handshake.query))


def _check_place(handshake: Handshake) -> None:
    if not origin_secret_matches(handshake.origin_secret):
        raise _not_allowed("origin_secret_wrong", "not by the front door")
    if not host_is_allowed(handshake.host):
        raise _not_allowed("host_not_allowed", "this Host is not one of this site (DJANGO_ALLOWED_HOSTS)")
    if not origin_is_allowed(handshake.origin, handshake.host):
        raise _not_allowed("origin_not_allowed", "a page of this Origin may not open a socket (NOVA_ALLOWED_ORIGINS)")


def _has_secret_in_url(handshake: Handshake) -> bool:
    names = {name.lower() for name in handshake.query}
    values = (value for values in handshake.query.values() for value in values)
    return bool(names & _SECRET_PARAMETERS) or any(value.startswith(TICKET_PREFIX) for value in values)


def _admit_ticket(secret: str, channel: str | None, model: str | None) -> Visitor:
    try:
        ticket = read_ticket(secret)
    except TicketError as error:
        raise _unauthenticated(error.code, error.text) from None
    if channel is not None and channel != ticket.channel:
        raise _not_allowed("channel_not_allowed", "the client secret opens another channel")
    if ticket.owner in owners_of_ended_keys():
        raise _unauthenticated("api_key_ended", "the API key that this client secret is from counts no more")
    return Visitor(
        ticket.owner,
        ticket.channel,
        is_channel_proven=True,
        starts_itself=ticket.starts_itself,
        wishes_id=ticket.wishes_id,
        model=model,
    )


def _not_allowed(code: str, text: str) -> HandshakeRefusedError:
    return HandshakeRefusedError(text, code=code, status=403, close_code=CloseCode.NOT_ALLOWED)


def _unauthenticated(code: str, text: str) -> HandshakeRefusedError:
    return HandshakeRefusedError(text, code=code, status=401, close_code=CloseCode.UNAUTHENTICATED)


_CLOSE_CODES = {
    "10001": CloseCode.TRY_LATER,
    "10002": CloseCode.NOT_ALLOWED,
    "not_allowed": CloseCode.NOT_ALLOWED,
    "unknown_channel": CloseCode.NOT_ALLOWED,
    "ticket_expired": CloseCode.UNAUTHENTICATED,
    "ticket_forged": CloseCode.UNAUTHENTICATED,
    "session_ended": CloseCode.SESSION_ENDED,
    "superseded": CloseCode.SUPERSEDED,
    "draining": CloseCode.GOING_AWAY,
}


def close_code_of(error: NovaError) -> CloseCode:
    """How a refusal of the doorway is told: by its code, else by whose fault it is."""
    known = _CLOSE_CODES.get(error.code)
    if known is not None:
        return known
    if isinstance(error, BadInputError):
        return CloseCode.NOT_ALLOWED
    return CloseCode.TRY_LATER if error.retriable else CloseCode.INTERNAL
