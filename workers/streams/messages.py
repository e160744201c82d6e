"""The typed messages of the four streams and of the requests that tasks load by key."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from workers.language_model.contract import FramePart, FrameSource, ModelOptions, StoredMessage, ToolSpec
from workers.text_to_speech.contract import VoiceOptions, WordMark

MAX_SPEECH_SECONDS = 60.0
WATCH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """Whose work this is and where its output goes; every output entry carries the first three back.

    `turn_id` is for logs and traces alone: the turn that is answered, or the reply itself where there is none.
    """

    session_id: str
    generation: int
    reply_id: str
    output_stream: str
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """What `generate_reply` works from. With `transcript_id` the user's words are read on the transcripts stream.

    With `opening_voice` the first sentence goes straight to its speech task, which the web process publishes as soon
    as the reply runs, so that speech begins without the way through the web process. `max_speech_seconds`
    ends an endless answer politely; None for one that is only read. `clock_started_at_ms` is the `captured_at_ms` that
    is told to the model as 0:00; `in_view` are the sources that its `look` tool may look at. `pictures_told`: in short
    which pictures go along and why, for the account's log of calls.
    """

    address: Address
    system: str
    history: tuple[StoredMessage, ...]
    options: ModelOptions
    transcript_id: str | None = None
    user_frames: tuple[FramePart, ...] = ()
    clock_started_at_ms: int = 0
    in_view: tuple[FrameSource, ...] = ()
    pictures_told: str = ""
    tools: tuple[ToolSpec, ...] = ()
    opening_voice: VoiceOptions | None = None
    max_tool_rounds: int = 4
    max_reply_seconds: float = 45.0
    max_speech_seconds: float | None = MAX_SPEECH_SECONDS


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """`is_fixed`: a phrase said again and again (greeting, apology, filler), whose sound is worth keeping."""

    address: Address
    sentence_index: int
    text: str
    voice: VoiceOptions
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """`address.reply_id` is the frame's id: a frame belongs to no reply."""

    address: Address
    source: FrameSource
    captured_at_ms: int
    previous_frame_id: str | None = None
    previous_signature: str | None = None
    max_side_px: int = 1280
    keep_seconds: int = 900
    kind: Literal["frame"] = "frame"


@dataclass(frozen=True, slots=True)
class MosaicCell:
    frame_id: str
    source: FrameSource
    captured_at_ms: int


@dataclass(frozen=True, slots=True)
class MosaicRequest:
    """Kept frames as one picture, for the same task as a frame; `address.reply_id` is the mosaic's id.

    `cells` oldest first; each is marked with its time since `clock_started_at_ms`, and laid out for `model`.
    """

    address: Address
    cells: tuple[MosaicCell, ...]
    model: str
    clock_started_at_ms: int = 0
    keep_seconds: int = 900
    kind: Literal["mosaic"] = "mosaic"


AnyVisionRequest = Annotated[FrameRequest | MosaicRequest, Field(discriminator="kind")]


# --- output: workers -> web -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutputEntry:
    session_id: str
    generation: int
    reply_id: str


@dataclass(frozen=True, slots=True)
class TaskBeat(OutputEntry):
    """A task of this reply runs; `sentence_index` is -1 for the reply itself."""

    sentence_index: int = -1
    kind: Literal["task_beat"] = "task_beat"


@dataclass(frozen=True, slots=True)
class SentenceWritten(OutputEntry):
    """A clause or sentence the model has finished writing; `separator` is the white space that preceded it."""

    sentence_index: int
    text: str
    separator: str = ""
    kind: Literal["sentence_written"] = "sentence_written"


@dataclass(frozen=True, slots=True)
class ToolCalled(OutputEntry):
    tool_use_id: str
    name: str
    arguments: dict[str, Any]
    runs_at: Literal["worker", "client"]
    kind: Literal["tool_called"] = "tool_called"


@dataclass(frozen=True, slots=True)
class ToolReturned(OutputEntry):
    """`frame_id`: the kept picture that was shown to the model beside the answer."""

    tool_use_id: str
    content: str
    is_error: bool
    frame_id: str = ""
    kind: Literal["tool_returned"] = "tool_returned"


@dataclass(frozen=True, slots=True)
class ReplyWritten(OutputEntry):
    """The model is done; times are milliseconds inside the worker, provider waits apart for the bench.

    `stop_reason` is the model's, or `cancelled`: then the entry only tells what the reply has cost.
    `model_id` is the model that answered last; `is_usage_estimated` marks tokens that were partly guessed. Cached tokens
    are counted beside the input; `picture_tokens` is what of the input the pictures made, by the rule of their sizes.
    `pictures` and `picture_bytes` tell what was found of those asked for; the provider may send fewer.
    """

    sentence_count: int
    stop_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    first_token_ms: float = 0.0
    model_id: str = ""
    is_usage_estimated: bool = False
    cached_input_tokens: int = 0
    picture_tokens: int = 0
    pictures: int = 0
    picture_bytes: int = 0
    kind: Literal["reply_written"] = "reply_written"


@dataclass(frozen=True, slots=True)
class SpeechMade(OutputEntry):
    """One chunk; `pcm` travels as the raw `data` field beside the JSON."""

    sentence_index: int
    chunk_index: int
    sample_rate_hz: int
    pcm: bytes = field(default=b"", repr=False)
    kind: Literal["speech_made"] = "speech_made"


@dataclass(frozen=True, slots=True)
class SpeechFinished(OutputEntry):
    """`engine` is the one that really spoke; `billed_characters` is 0 for a phrase that had been kept."""

    sentence_index: int
    chunk_count: int
    characters: int
    first_byte_ms: float = 0.0
    engine: str = ""
    billed_characters: int = 0
    kind: Literal["speech_finished"] = "speech_finished"


@dataclass(frozen=True, slots=True)
class WordMarks(OutputEntry):
    """When words of a sentence sound, from its speech's first sample; places are characters of the sentence as sent.

    May come before or after SpeechFinished, in parts for a long text, or never. `billed_characters`: what asking for
    them has cost, beside the speech; `words` may be empty then.
    """

    sentence_index: int
    words: tuple[WordMark, ...]
    billed_characters: int = 0
    kind: Literal["word_marks"] = "word_marks"


@dataclass(frozen=True, slots=True)
class FrameKept(OutputEntry):
    """`change` is the share of the picture that is another than in the frame before, 1 when there was none."""

    source: FrameSource
    captured_at_ms: int
    width_px: int
    height_px: int
    size_bytes: int
    signature: str
    change: float = 1.0
    kind: Literal["frame_kept"] = "frame_kept"


@dataclass(frozen=True, slots=True)
class FrameSkipped(OutputEntry):
    """The frame looks like the one before, `same_as_id`; its key leads to that one's picture."""

    source: FrameSource
    captured_at_ms: int
    same_as_id: str = ""
    change: float = 0.0
    kind: Literal["frame_skipped"] = "frame_skipped"


@dataclass(frozen=True, slots=True)
class MosaicKept(OutputEntry):
    """`frame_ids` are those that were still there, in the order of the cells."""

    width_px: int
    height_px: int
    size_bytes: int
    frame_ids: tuple[str, ...]
    kind: Literal["mosaic_kept"] = "mosaic_kept"


@dataclass(frozen=True, slots=True)
class WorkFailed(OutputEntry):
    """`stage` is the task that failed; `sentence_index` is set for speech."""

    stage: Literal["reply", "speech", "frame"]
    code: str
    retriable: bool
    text: str
    sentence_index: int = -1
    kind: Literal["work_failed"] = "work_failed"


@dataclass(frozen=True, slots=True)
class WatchedFact(OutputEntry):
    """What an operator who watches the session is shown; written by the web process that holds it, not by a worker."""

    name: str
    body: dict[str, Any]
    kind: Literal["watched_fact"] = "watched_fact"


AnyOutput = Annotated[
    TaskBeat
    | SentenceWritten
    | ToolCalled
    | ToolReturned
    | ReplyWritten
    | SpeechMade
    | SpeechFinished
    | WordMarks
    | FrameKept
    | FrameSkipped
    | MosaicKept
    | WorkFailed
    | WatchedFact,
    Field(discriminator="kind"),
]


# --- transcripts and interrupts: web -> workers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """Words of one turn. `confirmed` carries the words the turn ended with and lets tools run."""

    transcript_id: str
    state: Literal["partial", "final", "confirmed", "discarded"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class InterruptEntry:
    """Everything of `reply_id` stops. Frames and speech of other replies go on."""

    session_id: str
    generation: int
    reply_id: str


# --- control: web -> web ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """`start` was called; the process that holds the channel's socket, if any, wakes the agent."""

    session_id: str
    channel_name: str
    kind: Literal["session_started"] = "session_started"


@dataclass(frozen=True, slots=True)
class StopSession:
    session_id: str
    reason: str
    kind: Literal["stop_session"] = "stop_session"


@dataclass(frozen=True, slots=True)
class SupersedeSocket:
    """A newer socket holds the channel since `generation`; owners of an older generation close theirs. With `resumes`
    it goes on with the talk, which the older owner writes down to its last word and lets go."""

    channel_name: str
    generation: int
    resumes: bool = False
    kind: Literal["supersede_socket"] = "supersede_socket"


@dataclass(frozen=True, slots=True)
class SayText:
    session_id: str
    text: str
    kind: Literal["say_text"] = "say_text"


@dataclass(frozen=True, slots=True)
class WhisperText:
    """An operator's instruction to the model, for the rest of the talk; the client is not told."""

    session_id: str
    text: str
    kind: Literal["whisper_text"] = "whisper_text"


@dataclass(frozen=True, slots=True)
class WatchSession:
    """For the next WATCH_SECONDS the session's words go onto `output_stream` too. Said again while somebody watches."""

    session_id: str
    output_stream: str
    kind: Literal["watch_session"] = "watch_session"


@dataclass(frozen=True, slots=True)
class OperatorTablesChanged:
    """API keys or graph settings were changed by an operator: read them again."""

    kind: Literal["operator_tables_changed"] = "operator_tables_changed"


AnyControl = Annotated[
    SessionStarted | StopSession | SupersedeSocket | SayText | WhisperText | WatchSession | OperatorTablesChanged,
    Field(discriminator="kind"),
]
