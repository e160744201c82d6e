"""The two contracts between a live session and its client's transport (websocket first, others later)."""

from dataclasses import dataclass
from typing import Literal, Protocol

from sessions.live.config import SessionConfig, ToolChoice, TurnSettings
from sessions.live.facts import Fact
from sessions.live.items import Item
from workers.language_model.contract import FrameSource, ToolSpec


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """What a client wants changed; None leaves a setting as it is."""

    instructions: str | None = None
    input_rate_hz: int | None = None
    input_format: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] | None = None
    output_rate_hz: int | None = None
    output_format: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] | None = None
    output_modality: Literal["audio", "text"] | None = None
    voice: str | None = None
    model: str | None = None
    language: str | None = None
    turns: TurnSettings | None = None
    tools: tuple[ToolSpec, ...] | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """A client's response.create: what differs for this one reply."""

    instructions: str | None = None
    output_modality: Literal["audio", "text"] | None = None
    tools: tuple[ToolSpec, ...] | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] | None = None
    is_out_of_band: bool = False
    input_items: tuple[Item, ...] | None = None


class Transport(Protocol):
    """What a live session knows of its client."""

    @property
    def holds_playback(self) -> bool:
        """The client stops and resumes its sound when told PlaybackHeld."""
        ...

    def deliver(self, fact: Fact) -> None:
        """Never blocks and never raises; the transport bounds what is unsent and closes a client that is too slow."""
        ...

    def end(self, code: int, reason: str) -> None:
        """Close the client's connection with a websocket close code, after what was delivered has left."""
        ...


class EventClock:
    """Gives every event of one session its (epoch, seq); one per live session, seq starts at 1."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.seq = 0

    def next(self) -> tuple[str, int]:
        self.seq += 1
        return self.epoch, self.seq


class Conversation(Protocol):
    """What a transport may ask of a live session.

    All methods return at once and run on the session's event loop; outcomes come as facts. Methods that take
    `event_id` put it into the FaultHappened that they may cause. Before `start` was called for the channel the
    session is asleep: `is_started` is False and everything but `update` raises BadInputError(code="session_not_started").
    """

    @property
    def session_id(self) -> str: ...
    @property
    def channel_name(self) -> str: ...
    @property
    def config(self) -> SessionConfig: ...
    @property
    def clock(self) -> EventClock: ...
    @property
    def is_started(self) -> bool: ...

    @property
    def frame_interval_ms(self) -> int:
        """How often frames are wanted now; 0: never."""
        ...

    def hear(self, pcm: bytes) -> None:
        """Audio in `config.input_format` (16-bit mono PCM at `config.input_rate_hz`, or G.711), up to 60 s queued.

        Raises BadInputError(code="audio_overrun") when more than 60 s wait.
        """
        ...

    def commit_input(self, event_id: str | None) -> None:
        """Close the turn by hand. Raises BadInputError(code="input_audio_buffer_commit_empty") below 100 ms of audio."""
        ...

    def clear_input(self) -> None: ...

    def see(self, image: bytes, source: FrameSource, captured_at_ms: int, event_id: str | None = None) -> None:
        """A live frame, undecoded. Drops by time silently; the worker's refusal comes as FaultHappened."""
        ...

    def update(self, changes: ConfigChanges, event_id: str | None) -> None:
        """Answered by ConfigChanged."""
        ...

    def add_item(
        self,
        item: Item,
        previous_item_id: str | None,
        image_bytes: tuple[bytes, ...] = (),
        event_id: str | None = None,
    ) -> None:
        """Answered by ItemAdded and ItemFinished. `image_bytes` belong to the item's input_image contents, in order.

        `previous_item_id`: None appends, "root" goes first. Raises BadInputError for an unknown one.
        """
        ...

    def find_item(self, item_id: str) -> Item | None: ...

    def delete_item(self, item_id: str) -> None:
        """Answered by ItemDeleted. Raises BadInputError for an unknown item."""
        ...

    def truncate_item(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """History is cut to what was heard; a number a little off is clamped. Answered by ItemTruncated."""
        ...

    def report_progress(self, item_id: str, audio_end_ms: int) -> None:
        """The client has played the item's audio up to here; unknown items are ignored."""
        ...

    def create_reply(self, options: ReplyOptions, event_id: str | None) -> None:
        """Raises BadInputError(code="conversation_already_has_active_response") while one is in progress."""
        ...

    def cancel_reply(self, reply_id: str | None, event_id: str | None) -> None:
        """Raises BadInputError(code="response_cancel_not_active") when none is in progress."""
        ...

    def detach(self, transport: Transport) -> None:
        """The client's connection is gone; called once by the transport."""
        ...
