"""What the engine knows at a moment: all that its policies may look at."""

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.events import AgentChanged
from sessions.live.turn_taking.phrases import is_backchannel, may_become_backchannel
from sessions.live.turn_taking.words import Words

State = Literal["waiting", "speaking", "pausing", "committing"]
NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Due:
    """When a policy wants its decision taken if nothing else happens, and why. NEVER: not while things are as they are."""

    at_ms: float
    reason: str


class Policy(Protocol):
    """One rule of an ordered list. None: it has no opinion, and the next one is asked."""

    def due(self, now: "Situation") -> Due | None: ...


def first_due(policies: tuple[Policy, ...], now: "Situation") -> Due | None:
    """The first opinion counts; None too when that is NEVER."""
    for policy in policies:
        due = policy.due(now)
        if due is not None:
            return due if due.at_ms != NEVER else None
    return None


@dataclass(slots=True)
class Speculation:
    """`is_over_voice`: it began while the voice went on, which then is no sign against it."""

    text: str
    is_over_voice: bool


@dataclass(slots=True)
class Situation:
    """All times are the session's milliseconds.

    `voice_since_ms` is None without voice, `held_since_ms` while no reply is held, `quiet_since_ms` while nobody is
    waited for. `has_asked`: the agent's last sentence was a question. `is_answer_unheard`: since the last turn ended the
    agent has not sounded. `pause_average_ms`: how long this speaker's pauses within a turn are.
    """

    settings: TurnSettings
    state: State = "waiting"
    words: Words = field(default_factory=Words)
    agent: AgentChanged = field(default_factory=lambda: AgentChanged(is_busy=False))
    busy_since_ms: float = 0.0
    speaking_since_ms: float = 0.0
    agent_ended_ms: float = 0.0
    has_asked: bool = False
    voice_since_ms: float | None = None
    voice_ended_ms: float = 0.0
    voice_lasted_ms: float = 0.0
    words_changed_ms: float = 0.0
    committed_ms: float = 0.0
    turn_started_ms: float = 0.0
    began_over_agent: bool = False
    began_protected: bool = False
    was_interrupted: bool = False
    held_since_ms: float | None = None
    speculation: Speculation | None = None
    speculations: int = 0
    given_up_text: str = ""
    pause_average_ms: float = 0.0
    is_answer_unheard: bool = False
    quiet_since_ms: float | None = None

    @property
    def is_turn_open(self) -> bool:
        return self.state != "waiting"

    @property
    def is_hands_free(self) -> bool:
        return self.settings.mode != "manual"

    @property
    def is_protected(self) -> bool:
        """The agent is busy with a reply that no words and no voice cut off."""
        return self.agent.is_busy and not (self.agent.can_be_interrupted and self.settings.interrupts_reply)

    @property
    def is_backchannel(self) -> bool:
        """The words so far say only that the user listens, and the agent has not asked for them."""
        return self._may_listen_only and is_backchannel(self.words.text, self.settings.backchannel_words)

    @property
    def may_become_backchannel(self) -> bool:
        """As `is_backchannel`, or partial words of which the next may make a backchannel."""
        if self.is_backchannel:
            return True
        may_listen_only = self._may_listen_only and not self.words.are_final
        return may_listen_only and may_become_backchannel(self.words.text, self.settings.backchannel_words)

    @property
    def _may_listen_only(self) -> bool:
        has_asked = self.agent.is_asking if self.agent.is_busy else self.has_asked
        return self.settings.ignores_backchannels and not has_asked
