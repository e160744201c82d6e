"""How one session behaves: the typed outcome of graph, overrides and session.update; holds no state of the talk."""

from dataclasses import dataclass, field
from typing import Literal

from workers.language_model.contract import ModelOptions, ToolSpec
from workers.text_to_speech.contract import VoiceOptions


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Turn taking and interruption; docs/turn_taking.md says which decision each one moves.

    `mode` manual means that the client commits (push to talk). `end_silence_ms` ends a turn after settled words,
    `final_silence_ms` after final ones, `long_end_silence_ms` when they sound unfinished; `slow_end_silence_ms` is what
    the first two may grow to for a speaker who pauses (at or below them: never). `interrupt_ideographs` counts Chinese
    characters where `interrupt_characters` counts letters. `hold_voice_ms`: voice that makes the agent wait.
    """

    mode: Literal["server_vad", "semantic_vad", "manual"] = "server_vad"
    end_silence_ms: int = 500
    final_silence_ms: int = 300
    long_end_silence_ms: int = 3_000
    slow_end_silence_ms: int = 1_200
    interrupt_voice_ms: int = 500
    interrupt_characters: int = 2
    interrupt_ideographs: int = 2
    ignores_backchannels: bool = True
    backchannel_words: tuple[str, ...] = ()
    echo_warm_up_ms: int = 0
    holds_reply: bool = True
    hold_voice_ms: int = 200
    hold_ms: int = 2_000
    keeps_protected_words: bool = True
    creates_reply: bool = True
    interrupts_reply: bool = True
    speculation: bool = True
    speculate_silence_ms: int = 150
    idle_timeout_ms: int | None = None
    voice_threshold: float = 0.5
    prefix_padding_ms: int = 300


@dataclass(frozen=True, slots=True)
class VisionSettings:
    """`frame_interval_ms` is told to the client at first and adapts between the other two; `frames_per_turn` bounds the
    pictures of the newest message, a mosaic counted as one. `frames` look: none goes along, the model calls its tool.

    `history_mosaics`: mosaics of what was seen before that one request carries. None for a limit: there is none.
    """

    enabled: bool = True
    frame_interval_ms: int = 500
    fastest_interval_ms: int = 250
    slowest_interval_ms: int = 4_000
    frames_per_turn: int = 4
    max_side_px: int = 1280
    frames: Literal["turn", "look"] = "turn"
    history_mosaics: int = 1
    tokens_per_minute: int | None = None
    tokens_per_session: int | None = None
    usd_per_session: float | None = None
    usd_per_million_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`interval_ms` is the shortest time between two looks; with `on_change` only at a picture that looks different.

    `speaks`: an alert is also said aloud.
    """

    question: str
    interval_ms: int = 2_000
    on_change: bool = True
    speaks: bool = True


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """May the model call a tool (auto), not (none), must it call one (required), or this one (function, by `name`)?"""

    mode: Literal["auto", "none", "required", "function"] = "auto"
    name: str = ""

    @property
    def is_must(self) -> bool:
        return self.mode in ("required", "function")

    def offered(self, tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        """Those of `tools` that the model is told of: Nova can be made to call one of several, not one by name."""
        if self.mode == "none":
            return ()
        return tuple(tool for tool in tools if self.mode != "function" or tool.name == self.name)


@dataclass(frozen=True, slots=True)
class SessionConfig:
    graph_name: str
    instructions: str
    greeting: str
    model: ModelOptions
    voice: VoiceOptions
    listening_language: str
    input_rate_hz: int = 24_000
    output_rate_hz: int = 24_000
    output_modality: Literal["audio", "text"] = "audio"
    input_format: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    output_format: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    turns: TurnSettings = field(default_factory=TurnSettings)
    vision: VisionSettings = field(default_factory=VisionSettings)
    watch: WatchSettings | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    max_history_messages: int = 40
    is_memory_enabled: bool = True
    filler_ms: int = 2_250
    """Silence after which a late answer is bridged by a phrase, looked at four times a second; 0: never."""
    not_heard: str = "I didn't hear anything. Please say it again."
    """What is said in answer to a turn without words that the client wants answered."""
    announced_model: str = ""
    """The model and voice names the client asked for are echoed; unknown ones are mapped to the graph's own."""
    announced_voice: str = ""
