"""What one reply is to be made from and how it is to sound; frozen when the reply begins."""

import itertools
from dataclasses import dataclass

from workers.language_model.contract import FramePart, FrameSource, ModelOptions, StoredMessage, TextPart, ToolSpec
from workers.streams.messages import MAX_SPEECH_SECONDS, Address, ReplyRequest, TranscriptEntry
from workers.text_to_speech.contract import VoiceOptions


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """`words` are the user's turn, published beside the request; `fixed_text` is spoken as it is, without a model.
    `is_prepared`: its task was published before and waits for this plan."""

    session_id: str
    generation: int
    reply_id: str
    item_id: str
    system: str
    history: tuple[StoredMessage, ...]
    options: ModelOptions
    voice: VoiceOptions
    output_rate_hz: int
    is_audio: bool
    words: TranscriptEntry | None = None
    transcript_id: str | None = None
    user_frames: tuple[FramePart, ...] = ()
    clock_started_at_ms: int = 0
    in_view: tuple[FrameSource, ...] = ()
    pictures_told: str = ""
    tools: tuple[ToolSpec, ...] = ()
    metadata: dict[str, str] | None = None
    fixed_text: str | None = None
    is_out_of_band: bool = False
    can_be_interrupted: bool = True
    is_prepared: bool = False
    filler_ms: int = 0

    @property
    def is_fixed(self) -> bool:
        return self.fixed_text is not None

    @property
    def typed_text(self) -> str:
        """What the user has written since the last answer and this reply answers; spoken words are its turn's."""
        if self.is_fixed or self.is_out_of_band or self.words is not None:
            return ""
        messages = itertools.takewhile(lambda message: message.role == "user", reversed(self.history))
        texts = [[part.text for part in message.parts if isinstance(part, TextPart)] for message in messages]
        return " ".join(text for parts in reversed(texts) for text in parts)

    @property
    def turn_id(self) -> str:
        """As the record of the turn will name it; a speculation's words have the turn's id and a number."""
        return self.words.transcript_id.partition(".")[0] if self.words is not None else self.reply_id

    def request(self, address: Address) -> ReplyRequest:
        return ReplyRequest(
            address=address,
            system=self.system,
            history=self.history,
            options=self.options,
            transcript_id=self.transcript_id,
            user_frames=self.user_frames,
            clock_started_at_ms=self.clock_started_at_ms,
            in_view=self.in_view,
            pictures_told=self.pictures_told,
            tools=self.tools,
            opening_voice=self.voice if self.is_audio else None,
            max_speech_seconds=MAX_SPEECH_SECONDS if self.is_audio else None,
        )
