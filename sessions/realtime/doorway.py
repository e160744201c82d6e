"""What the websocket door needs of the house behind it: one call that finds or makes the live session."""

from dataclasses import dataclass
from typing import Protocol

from sessions.live.transport import Conversation, Transport
from sessions.realtime.resume_wish import ResumeWish
from workers.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has been let in, and where to.

    `channel_name`: None asks for a new channel, started at once on graph "voice" (an API key alone). A name
    that came with a ticket is proven by it; one that came with an API key (`is_channel_proven` False) is only
    a wish, and must be a channel of the same owner. `starts_itself` and `wishes_id` are the ticket's, `model`
    is the query parameter. `can_return`: the client knows how to resume; with `resume` it does so now.
    """

    owner: str
    channel_name: str | None = None
    is_channel_proven: bool = False
    starts_itself: bool = False
    wishes_id: str = ""
    model: str | None = None
    can_return: bool = False
    resume: ResumeWish | None = None


class Doorway(Protocol):
    async def open(self, visitor: Visitor, transport: Transport) -> Conversation:
        """The visitor's live session, which from now on delivers to `transport`; an older one gets 4409.

        Facts may be delivered before this returns: the door keeps them until session.created has left. A
        visitor with `resume` may find the session it had, which `transport` then goes on telling where the older one
        stopped. It calls `detach` once on what it got. Raises a NovaError whose code becomes a close code (see
        handshake.close_code_of): "10002" for a channel that is unknown or another's, alike; "10001" when the
        house is full.
        Cancelled after 4 s, and must then leave nothing behind.
        """
        ...


_doorways: list[Doorway] = []


def set_doorway(doorway: Doorway) -> None:
    """Called once by the wiring; a later call replaces the first."""
    _doorways[:] = [doorway]


def current_doorway() -> Doorway:
    if not _doorways:
        raise ConfigurationError("no doorway is set; nova_site calls set_doorway at start")
    return _doorways[0]
