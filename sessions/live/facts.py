"""What has happened in a live session, as its transport is told; past participles, immutable, no wire format."""

from dataclasses import dataclass, field
from typing import Literal

from sessions.live.config import SessionConfig
from sessions.live.items import Item
from workers.errors import NovaError, PictureRejectedError
from workers.language_model.contract import FrameSource

FramePlace = Literal["picture", "mosaic", "out"]
ReplyStatus = Literal["completed", "cancelled", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """The effective configuration after a session.update or a start."""

    config: SessionConfig
    answers_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class UserSpeechStarted:
    item_id: str
    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class UserSpeechStopped:
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class UserWordsChanged:
    """The whole text of the turn so far; `delta` is what a client that only appends may append (finals only)."""

    item_id: str
    text: str
    delta: str = ""


@dataclass(frozen=True, slots=True)
class InputCommitted:
    """The audio of the turn is closed and became an item."""

    item_id: str
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class InputCleared:
    pass


@dataclass(frozen=True, slots=True)
class UserTurnTranscribed:
    """The turn's final words; `seconds` of audio were heard. Empty text: a phantom turn, closed silently."""

    item_id: str
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ItemAdded:
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ItemFinished:
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    item_id: str


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    item_id: str
    content_index: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """An out-of-band reply's items do not join the conversation."""

    reply_id: str
    metadata: dict[str, str] | None = None
    is_out_of_band: bool = False


@dataclass(frozen=True, slots=True)
class ReplyItemStarted:
    """The spoken or written message of a reply, or one call of a client's function, begins."""

    reply_id: str
    output_index: int
    item: Item
    previous_item_id: str | None
    is_audio: bool = True


@dataclass(frozen=True, slots=True)
class ReplyTextAdded:
    reply_id: str
    item_id: str
    output_index: int
    delta: str
    is_audio: bool = True


@dataclass(frozen=True, slots=True)
class ReplyAudioAdded:
    """PCM at the client's rate; `audio_start_ms` is its place in the item's audio."""

    reply_id: str
    item_id: str
    output_index: int
    pcm: bytes = field(repr=False)
    audio_start_ms: int = 0


@dataclass(frozen=True, slots=True)
class ReplyItemFinished:
    """`item` holds the text as generated up to here; status incomplete when it was cut off."""

    reply_id: str
    output_index: int
    item: Item
    is_audio: bool = True


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """`image_tokens` are part of the input tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    image_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """`reason`: turn_detected or client_cancelled (cancelled), max_output_tokens or content_filter (incomplete),
    an error's code (failed)."""

    reply_id: str
    status: ReplyStatus
    items: tuple[Item, ...]
    reason: str = ""
    error_text: str = ""
    usage: TokenUsage = field(default_factory=TokenUsage)
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PlaybackFlushed:
    """Drop all queued audio of the item at once; no byte of it follows."""

    reply_id: str
    item_id: str
    heard_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class PlaybackHeld:
    """`is_held`: stop the item's sound where it is and keep what is queued, until it goes on (False) or is flushed."""

    reply_id: str
    item_id: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class StateChanged:
    is_listening: bool
    is_thinking: bool
    is_speaking: bool


@dataclass(frozen=True, slots=True)
class TurnUsage:
    """Tokens and characters are the reply's; seconds and `cost_usd` all that was spent since the turn before."""

    speech_to_text_seconds: float = 0.0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    picture_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    word_mark_characters: int = 0
    is_estimated: bool = False
    cost_usd: float = 0.0
    session_cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """Delays of one finished turn, milliseconds by name (see docs of nova.metrics), and what it used."""

    reply_id: str
    delays_ms: dict[str, float]
    usage: TurnUsage | None = None


@dataclass(frozen=True, slots=True)
class FrameTold:
    """One frame that was looked at for a request: how it went in, or that it did not, and why."""

    captured_at_ms: int
    source: FrameSource
    place: FramePlace
    reason: str


@dataclass(frozen=True, slots=True)
class VisionChanged:
    """How often frames are wanted (0: none), and how much the budget lets the agent see.

    With `reply_id` also what went into that request: `frames`, oldest first; `tokens` of all its pictures, those of
    the history too. `is_estimate` is False once the service has said what the request cost.
    """

    interval_ms: int
    intervals_ms: tuple[tuple[FrameSource, int], ...] = ()
    budget: str = "full"
    reply_id: str | None = None
    frames: tuple[FrameTold, ...] = ()
    tokens: int = 0
    cost_usd: float | None = None
    is_estimate: bool = True


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """In watch mode the agent has seen what it was asked to watch for; `captured_at_ms` is the frame's."""

    alert_id: str
    text: str
    question: str
    source: FrameSource
    captured_at_ms: int


@dataclass(frozen=True, slots=True)
class InputTimedOut:
    """Nobody spoke for `idle_timeout_ms`."""

    item_id: str
    audio_start_ms: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something a person should know that is no error: `code` and human text."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class FaultHappened:
    """A typed error; `event_id` is the client event that caused it, `field` what was wrong in it."""

    code: str
    text: str
    retriable: bool
    event_id: str | None = None
    field: str | None = None
    is_clients_fault: bool = False


def fault_of(error: NovaError, event_id: str | None) -> FaultHappened:
    """A picture that cannot be read is the client's fault, all other errors that come so late are ours."""
    is_clients = isinstance(error, PictureRejectedError)
    return FaultHappened(error.code, error.text, error.retriable, event_id, is_clients_fault=is_clients)


@dataclass(frozen=True, slots=True)
class TalkResumed:
    """The client is back. Not whole: it begins anew with `items`, the newest of the talk; `left_out` were older."""

    is_whole: bool
    reason: str = ""
    items: tuple[Item, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ServerDraining:
    """This server closes the connection within `deadline_ms`; another one goes on with the talk."""

    deadline_ms: int


Fact = (
    ConfigChanged
    | UserSpeechStarted
    | UserSpeechStopped
    | UserWordsChanged
    | InputCommitted
    | InputCleared
    | UserTurnTranscribed
    | ItemAdded
    | ItemFinished
    | ItemDeleted
    | ItemTruncated
    | ReplyStarted
    | ReplyItemStarted
    | ReplyTextAdded
    | ReplyAudioAdded
    | ReplyItemFinished
    | ReplyEnded
    | PlaybackFlushed
    | PlaybackHeld
    | StateChanged
    | TurnMeasured
    | VisionChanged
    | AlertRaised
    | InputTimedOut
    | Noticed
    | FaultHappened
    | TalkResumed
    | ServerDraining
)
