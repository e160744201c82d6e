"""How a conversation goes on elsewhere: written down at a quiet moment, taken up by another web process, let go by this one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from sessions.live.answering import Answering
from sessions.live.chronicle import Chronicle
from sessions.live.config import SessionConfig
from sessions.live.history import History
from sessions.live.planning import SessionIdentity
from sessions.live.portable import ITEMS_KEPT, Talk, UnderWay
from sessions.live.portable_reply import turn_in, turn_out
from sessions.live.replying import Replying
from sessions.live.telling import Telling
from sessions.live.transport import Transport
from sessions.live.turns import Turns
from workers.streams.messages import OutputEntry


class ContinuingHost(Protocol):
    """What continuing needs of its session."""

    history: History

    @property
    def identity(self) -> SessionIdentity: ...

    @property
    def wished_config(self) -> SessionConfig:
        """As it is without what is saved for a budget."""
        ...

    def now_ms(self) -> float: ...

    def wake(self, session_id: str, config: SessionConfig, owner: str) -> None: ...

    def open_eyes(self) -> None: ...


class Continuing:
    """One per session. What is under way: a reply, the turn it answers, a turn that waits, a turn being spoken."""

    def __init__(
        self,
        host: ContinuingHost,
        telling: Telling,
        turns: Turns,
        answering: Answering,
        replying: Replying,
        chronicle: Chronicle,
    ) -> None:
        self._host = host
        self._telling = telling
        self._turns = turns
        self._answering = answering
        self._replying = replying
        self._chronicle = chronicle

    @property
    def transport(self) -> Transport | None:
        return self._telling.transport

    @property
    def is_settled(self) -> bool:
        """Everything that has happened was told: a moment that can be written down."""
        return self._telling.is_settled and self._replying.is_settled

    @property
    def is_quiet(self) -> bool:
        """Nobody speaks or is about to: a moment at which going on elsewhere goes unnoticed."""
        is_asked = self._answering.waiting_turn is not None or self._host.history.ends_with_users_words
        is_user_silent = self._turns.open_turn is None and not is_asked
        return is_user_silent and not self._replying.is_busy and self.is_settled

    def talk(self) -> Talk:
        """Only when `is_settled`."""
        host, reply = self._host, self._replying.under_way()
        now_ms = host.now_ms()
        plan, kept, answered = reply if reply is not None else (None, None, None)
        under_way = UnderWay(
            turn_out(self._turns.open_turn, now_ms),
            turn_out(self._answering.waiting_turn, now_ms),
            turn_out(answered, now_ms),
            kept,
        )
        return Talk(
            host.wished_config, tuple(host.history.newest(ITEMS_KEPT)), under_way, plan, self._chronicle.spent_usd
        )

    def take_up(self, session_id: str, owner: str, talk: Talk, heard_ms: float | None) -> None:
        """Before the client is told anything by this process. `heard_ms`: how much of the reply's sound it has."""
        host, under_way = self._host, talk.under_way
        host.history.take_up(talk.items)
        self._chronicle.take_up(talk.spent_usd)
        host.wake(session_id, talk.config, owner)
        now_ms = host.now_ms()
        if talk.plan is not None and under_way.reply is not None:
            turn = turn_in(under_way.reply_turn, now_ms) if under_way.reply_turn is not None else None
            plan = replace(talk.plan, generation=host.identity.generation)
            heard_ms = under_way.reply.sent_ms if heard_ms is None else heard_ms
            self._replying.take_up(plan, under_way.reply, turn, heard_ms, f"g{plan.generation:x}")
        if under_way.waiting_turn is not None:
            self._answering.turn_ended(turn_in(under_way.waiting_turn, now_ms))
        if under_way.open_turn is not None:
            self._turns.end_kept(turn_in(under_way.open_turn, now_ms))
        host.open_eyes()

    def fall_silent(self) -> None:
        """What was told up to here is written down; anything more would have no number."""
        self._telling.mute()

    def take_from_before(self, entry: OutputEntry) -> None:
        """What a worker tells the process that had asked it, of a reply that was taken up."""
        self._replying.take(entry)

    @property
    def is_reply_being_written(self) -> bool:
        return self._replying.is_being_written

    def let_go(self) -> Transport | None:
        """Another process goes on: nothing is told or called off any more. The transport is the caller's to end."""
        transport = self._telling.end()
        self._replying.let_go()
        self._turns.let_go()
        return transport

    # --- a client that is away for a while ----------------------------------------------------------------------------

    @property
    def is_away(self) -> bool:
        return self._telling.is_away

    def client_left(self) -> None:
        """Sound waits; all else goes on, and its transport keeps it."""
        self._telling.client_left()

    def client_is_back(self, transport: Transport, repeated_ms: Mapping[str, float]) -> None:
        """By item: how much of its sound is told once more."""
        self._telling.attach(transport)
        self._replying.client_is_back(repeated_ms)

    def end_replies(self) -> None:
        """The client does not come back: what it did not hear was cut off."""
        self._replying.interrupt("client")
