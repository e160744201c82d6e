"""What the next reply answers and what it is made of: an ended turn, a client's request, or a speculation on a turn's end."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from sessions.live import facts
from sessions.live.config import SessionConfig
from sessions.live.history import History
from sessions.live.planning import SessionIdentity, make_plan, text_tokens_of
from sessions.live.prepared_reply import PreparedReply
from sessions.live.reply_plan import ReplyPlan
from sessions.live.replying import Replying
from sessions.live.transport import ReplyOptions
from sessions.live.turns import Turn
from sessions.live.watching.eyes import Eyes
from sessions.live.watching.look import Look
from sessions.live.work_desk import WorkDesk
from workers.errors import BadInputError
from workers.streams.messages import TranscriptEntry

logger = structlog.get_logger(__name__)
WAITING_TEXTS = 5
NO_LOOK = Look()


class AnsweringHost(Protocol):
    """What answering needs of its session."""

    @property
    def identity(self) -> SessionIdentity: ...

    @property
    def config(self) -> SessionConfig: ...

    @property
    def may_answer(self) -> bool:
        """Started, and no commit of the client waits for its words."""
        ...

    def now_ms(self) -> float: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    def release_facts(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Speculation:
    """A reply that was begun on words which may not be the turn's last."""

    turn: Turn
    plan: ReplyPlan
    look: Look

    def was_made_from(self, plan: ReplyPlan) -> bool:
        """Whether a plan made now would say the same, ids and pictures aside."""
        names = ("reply_id", "item_id", "words", "transcript_id", "user_frames", "is_prepared")
        return replace(self.plan, **{name: getattr(plan, name) for name in names}) == plan


class Answering:
    """One per session. Never more than one reply in progress and one speculative reply behind the gate."""

    def __init__(self, desk: WorkDesk, replying: Replying, history: History, eyes: Eyes, host: AnsweringHost) -> None:
        self._desk = desk
        self._replying = replying
        self._history = history
        self._eyes = eyes
        self._host = host
        self._prepared = PreparedReply(desk)
        self._waiting_turn: Turn | None = None
        self._waiting_options: ReplyOptions | None = None
        self._waiting_texts: deque[str] = deque(maxlen=WAITING_TEXTS)
        self._speculation: _Speculation | None = None

    # --- what the user and the client do ------------------------------------------------------------------------------

    def user_speaks(self) -> None:
        """Words have come: what will answer them is made ready."""
        if self._host.config.turns.creates_reply:
            self._prepared.prepare(self._host.now_ms())

    def say(self, text: str) -> None:
        """Speak a fixed text as soon as no reply is in progress and nobody waits for one; the oldest of many goes."""
        self._waiting_texts.append(text)
        self.begin_waiting()

    def ask(self, options: ReplyOptions) -> None:
        """The client wants a reply. Raises BadInputError while another is in progress."""
        active = self._replying.active_reply_id
        if active is not None or self._waiting_options is not None:
            raise BadInputError(
                f"the response {active or 'before'} is still in progress",
                code="conversation_already_has_active_response",
            )
        self._waiting_options = options
        self.begin_waiting()

    def speak_first(self) -> None:
        """The user has been quiet for long: the agent speaks, unless it is about to."""
        self._waiting_options = self._waiting_options or ReplyOptions()
        self.begin_waiting()

    def turn_ended(self, turn: Turn) -> None:
        turns = self._host.config.turns
        if (turns.creates_reply and turns.mode != "manual") or self._waiting_options is not None:
            self._waiting_turn = turn
            self.begin_waiting()
        else:
            self.drop_speculation("not_asked_for")
            self._desk.tell_words(TranscriptEntry(turn.item_id, "confirmed", turn.text))

    def begin_waiting(self) -> None:
        """The reply that a turn or the client asked for begins when the one before has ended and no commit is pending.
        With neither, a text that waits to be said is said."""
        turn, options = self._waiting_turn, self._waiting_options
        if not self._host.may_answer or not self._replying.is_free:
            return
        if turn is None and options is None:
            self._say_waiting()
            return
        self._waiting_turn = self._waiting_options = None
        if (
            turn is not None
            and self._speculation is not None
            and self._keep_speculation(self._speculation, turn, options)
        ):
            return
        self.drop_speculation("another_request")
        self._begin(options or ReplyOptions(), turn)

    def _say_waiting(self) -> None:
        if self._waiting_texts:
            plan = self._make_plan(ReplyOptions(), None, None, NO_LOOK, None)
            self._replying.begin(replace(plan, fixed_text=self._waiting_texts.popleft()), None)

    @property
    def waiting_turn(self) -> Turn | None:
        return self._waiting_turn

    def close(self) -> None:
        self._speculation = None
        self._waiting_texts.clear()
        identity = self._host.identity
        self._prepared.call_off(identity.session_id, identity.generation)

    # --- speculation --------------------------------------------------------------------------------------------------------

    def speculate(self, turn: Turn, text: str) -> None:
        """The turn has probably ended with these words: its reply begins, and nobody is told of it."""
        self.drop_speculation("newer_words")
        turn.speculations += 1
        words = TranscriptEntry(f"{turn.item_id}.{turn.speculations}", "final", text)
        look = self._eyes.look()
        plan = self._make_plan(ReplyOptions(), turn, words, look, self._prepared.take(self._host.now_ms()))
        self._speculation = _Speculation(turn, plan, look)
        self._replying.begin_behind_gate(plan)
        self._eyes.expect(plan.reply_id, look, text_tokens_of(plan))

    def drop_speculation(self, reason: str) -> None:
        """Nothing of it reaches the client, the history or a tool; what it had cost is recorded."""
        speculation, self._speculation = self._speculation, None
        if speculation is None or speculation.plan.words is None:
            return
        speculation.turn.dropped_speculations += 1
        self._desk.tell_words(TranscriptEntry(speculation.plan.words.transcript_id, "discarded"))
        self._replying.drop_behind_gate(reason)

    def _keep_speculation(self, speculation: _Speculation, turn: Turn, options: ReplyOptions | None) -> bool:
        """False when it does not stand: other words, another history, a worker that was lost."""
        if speculation.turn is not turn or not turn.is_speculation_right or options is not None:
            return False
        plan = speculation.plan
        now = self._make_plan(ReplyOptions(), turn, plan.words, speculation.look, None)
        if plan.words is None or not speculation.was_made_from(now) or not self._replying.is_gate_whole:
            return False
        self._speculation = None
        self._host.release_facts()
        self._desk.tell_words(replace(plan.words, state="confirmed", text=turn.text))
        self._replying.open_gate(turn)
        self._eyes.use(plan.reply_id, speculation.look)
        return True

    # --- plans ----------------------------------------------------------------------------------------------------------

    def _begin(self, options: ReplyOptions, turn: Turn | None) -> None:
        """What the pictures cost is reckoned when the request has left."""
        look = self._eyes.look()
        words = TranscriptEntry(turn.item_id, "confirmed", turn.text) if turn is not None else None
        prepared_id = self._prepared.take(self._host.now_ms()) if turn is not None else None
        plan = self._make_plan(options, turn, words, look, prepared_id)
        self._replying.begin(plan, turn)
        if not plan.is_fixed:
            self._eyes.expect(plan.reply_id, look, text_tokens_of(plan))
            self._eyes.use(plan.reply_id, look)

    def _make_plan(
        self,
        options: ReplyOptions,
        turn: Turn | None,
        words: TranscriptEntry | None,
        look: Look,
        prepared_id: str | None,
    ) -> ReplyPlan:
        host = self._host
        turn_id = turn.item_id if turn is not None else None
        return make_plan(host.identity, host.config, self._history, options, turn_id, words, look, prepared_id)
