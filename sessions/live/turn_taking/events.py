"""What the turn engine is told; immutable, without a time: that comes beside each event."""

from dataclasses import dataclass, field

from sessions.live.config import TurnSettings


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """`for_ms`: how long the voice had lasted when it was noticed."""

    for_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """`for_ms`: how long it had been quiet when that was noticed."""

    for_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """A transcript of one segment: its whole text so far. `settled` says that no word of it will change any more."""

    segment_id: str
    text: str
    is_final: bool
    settled: bool = False


@dataclass(frozen=True, slots=True)
class SegmentsLost:
    """The recogniser's stream broke: what was not final will be heard again under other ids."""


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """A reply has begun, begun to sound, or ended; a speculative one counts only from its confirmation on.

    `is_busy`: a reply is being made or heard. `is_speaking`: sound of it is at the client, and not played to its end;
    while held it still counts as speaking. `is_asking`: the sentence being heard is a question, so that "yes" answers it.
    """

    is_busy: bool
    is_speaking: bool = False
    can_be_interrupted: bool = True
    is_asking: bool = False


@dataclass(frozen=True, slots=True)
class ClientCommitted:
    pass


@dataclass(frozen=True, slots=True)
class ClientCleared:
    pass


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    settings: TurnSettings = field(default_factory=TurnSettings)


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """Nothing comes after it: whatever is open is closed."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The engine's own deadline has come."""


TurnEvent = (
    VoiceStarted
    | VoiceStopped
    | WordsHeard
    | SegmentsLost
    | AgentChanged
    | ClientCommitted
    | ClientCleared
    | SettingsChanged
    | SessionClosed
    | TimePassed
)
