"""What the turn engine decides, each with its reason where there can be more than one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartTurn:
    """`reason`: voice, words or commit; the voice had lasted `for_ms`."""

    reason: str
    for_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class UserPaused:
    """The voice stopped `for_ms` ago; the turn may go on."""

    for_ms: float


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """All words of the turn so far; `new_final` is what has just become final."""

    text: str
    new_final: str


@dataclass(frozen=True, slots=True)
class EndTurn:
    """`speculation_stands`: the reply begun by the last Speculate is to be used; KeepSpeculation came just before."""

    text: str
    reason: str
    speculation_stands: bool = False


@dataclass(frozen=True, slots=True)
class AmendTurn:
    """A late final of the turn that ended last: its transcript is now `text`; there is no second reply for it.

    `changes_words` is False when only case, spaces or punctuation differ.
    """

    text: str
    changes_words: bool


@dataclass(frozen=True, slots=True)
class DropTurn:
    """The turn ends without becoming an item; only after an empty commit the client is owed one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Cut the reply off, held or not."""

    reason: str


@dataclass(frozen=True, slots=True)
class HoldReply:
    """Send no more sound; Interrupt or ResumeReply follows, exactly once."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """Go on where sending was held. With the reason reply_gone or closed there is nothing left to send."""

    reason: str


@dataclass(frozen=True, slots=True)
class Speculate:
    """Begin a reply to these words behind the gate; KeepSpeculation or DropSpeculation follows, exactly once."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeepSpeculation:
    """The turn ended with the same words; its EndTurn follows at once."""


@dataclass(frozen=True, slots=True)
class DropSpeculation:
    reason: str


@dataclass(frozen=True, slots=True)
class TimeOut:
    """Nobody spoke for `quiet_ms` after the agent's last sound: tell the client and let the agent speak."""

    quiet_ms: float


Decision = (
    StartTurn
    | UserPaused
    | ChangeWords
    | EndTurn
    | AmendTurn
    | DropTurn
    | Interrupt
    | HoldReply
    | ResumeReply
    | Speculate
    | KeepSpeculation
    | DropSpeculation
    | TimeOut
)
