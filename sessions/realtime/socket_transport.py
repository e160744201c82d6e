"""The websocket as a live session's transport: one socket of the session's line of events; reads nothing."""

from collections.abc import Callable

import structlog

from sessions import metrics
from sessions.live.facts import Fact
from sessions.live.transport import Conversation
from sessions.realtime import limits
from sessions.realtime.backlog import ToldEvent
from sessions.realtime.event_line import EventLine, message_of
from sessions.realtime.limits import CloseCode
from sessions.realtime.outbound import Outbound
from sessions.realtime.outbox import Outbox

log = structlog.get_logger(__name__)


class SocketTransport:
    """Between the doorway's `open` and `begin`, facts wait: session.created always leaves first.

    One that goes on with an older one's line tells it from where the client stopped hearing instead.
    """

    def __init__(self, outbox: Outbox, *, is_binary: bool, on_closing: Callable[[], None]) -> None:
        self._outbox = outbox
        self._is_binary = is_binary
        self._on_closing = on_closing
        self._early: list[Fact] = []
        self._ending: tuple[int, str] | None = None
        self._resumed_after: int | None = None
        self._is_begun = False
        self.is_farewell = False
        """The client has closed the socket in due form: it does not come back."""
        self.line: EventLine | None = None

    @property
    def outbound(self) -> Outbound | None:
        return self.line.outbound if self.line is not None and self._is_begun else None

    @property
    def holds_playback(self) -> bool:
        return self.line is not None and self.line.outbound.speaks_nova

    @property
    def may_return(self) -> bool:
        """The client knows how to resume, and has not said good-bye."""
        return self.holds_playback and not self.is_farewell

    # --- before the socket is open ------------------------------------------------------------------------------------

    def go_on_with(self, line: EventLine, after_seq: int) -> None:
        """What `line` tells reaches this socket from now on, what it had told after `after_seq` first."""
        self.line, self._resumed_after = line, after_seq

    def part_with_line(self) -> None:
        """Another socket goes on with it, or the client begins anew: this one is told nothing more."""
        if self.line is not None:
            self.line.detach()
            self.line = None
        self.end(CloseCode.SUPERSEDED, "superseded by a newer socket of the same client")

    def begin(self, conversation: Conversation, *, speaks_nova: bool) -> Outbound:
        self._is_begun = True
        if self.line is None:
            self.line = EventLine(conversation, speaks_nova=speaks_nova)
        line = self.line
        line.attach(self._send)
        if self._resumed_after is None:
            line.outbound.greet()
        else:
            for told in line.backlog.since(self._resumed_after):
                self._send(told)
        early, self._early = self._early, []
        for fact in early:
            self.deliver(fact)
        if self._ending is not None:
            self.end(*self._ending)
        return line.outbound

    # --- Transport ----------------------------------------------------------------------------------------------------

    def deliver(self, fact: Fact) -> None:
        """A line whose client may come back goes on without its socket."""
        if self.line is not None:
            if self.may_return or not self._outbox.is_closed:
                self._tell(self.line, fact)
        elif self._outbox.is_closed:
            return
        elif len(self._early) < limits.EARLY_FACTS_LIMIT:
            self._early.append(fact)
        else:
            self._ending = (CloseCode.TOO_SLOW, "too much happened before the socket was open")

    def _tell(self, line: EventLine, fact: Fact) -> None:
        try:
            line.tell(fact)
        except Exception:  # process border: the session behind calls in mid-step, and `deliver` never raises
            log.exception("fact_not_told", fact=type(fact).__name__)

    def end(self, code: int, reason: str) -> None:
        if self._is_begun:
            self._outbox.finish(code, reason)
        else:
            self._ending = (code, reason)

    # --- events out ---------------------------------------------------------------------------------------------------

    def _send(self, told: ToldEvent) -> None:
        """A client that leaves too much unread is closed with 4408."""
        if self._outbox.is_closed:
            return
        message = message_of(told, is_binary=self._is_binary)
        if not self._outbox.put(message, len(message.get("bytes") or message["text"])):
            metrics.CLIENTS_CUT.of("too_slow").inc()
            log.warning("client_too_slow", unsent_bytes=self._outbox.unsent_bytes)
            self._outbox.cut(CloseCode.TOO_SLOW, "too much was left unread")
            self._on_closing()
