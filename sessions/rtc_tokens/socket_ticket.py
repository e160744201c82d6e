"""The client secret that opens our own websocket: signed, short-lived, bound to one channel and its owner."""

import time
from dataclasses import asdict, dataclass, fields

from django.core import signing

from sessions.rtc_tokens.errors import TicketExpiredError, TicketForgedError

PREFIX = "ek_"
TICKET_LIFE_SECONDS = 600
MAX_TICKET_CHARACTERS = 1_024
_SALT = "nova.socket_ticket"


@dataclass(frozen=True, slots=True)
class Ticket:
    """`starts_itself`: made by client_secrets, so nobody calls `start` and the door starts the channel.

    `wishes_id` is the key of the session settings that came with client_secrets, see session_wishes.
    """

    channel: str
    owner: str
    expires_at: int = 0
    starts_itself: bool = False
    wishes_id: str = ""


_FIELD_NAMES = frozenset(item.name for item in fields(Ticket))


def issue_ticket(
    channel: str,
    owner: str,
    *,
    life_seconds: int = TICKET_LIFE_SECONDS,
    starts_itself: bool = False,
    wishes_id: str = "",
) -> tuple[str, int]:
    """The secret and its end in seconds since 1970; until then it may be used again for its one channel."""
    expires_at = int(time.time()) + min(life_seconds, TICKET_LIFE_SECONDS)
    ticket = Ticket(channel, owner, expires_at, starts_itself, wishes_id)
    signed = signing.Signer(salt=_SALT).sign_object(asdict(ticket), serializer=signing.JSONSerializer)
    # The signer parts payload and signature with a colon, which a subprotocol's name may not contain.
    return PREFIX + signed.replace(":", "."), expires_at


def read_ticket(secret: str) -> Ticket:
    """Raises TicketForgedError or TicketExpiredError. Needs neither Redis nor the database."""
    if not secret.startswith(PREFIX) or not secret.isascii() or len(secret) > MAX_TICKET_CHARACTERS:
        raise TicketForgedError("this is no client secret")
    try:
        content = signing.Signer(salt=_SALT).unsign_object(
            secret.removeprefix(PREFIX).replace(".", ":"), serializer=signing.JSONSerializer
        )
    except signing.BadSignature as error:
        raise TicketForgedError("the client secret was not made here") from error
    # A newer web process may have signed fields that this one does not know.
    ticket = Ticket(**{name: value for name, value in content.items() if name in _FIELD_NAMES})
    if ticket.expires_at <= time.time():
        raise TicketExpiredError("the client secret has expired; ask for a new one")
    return ticket
