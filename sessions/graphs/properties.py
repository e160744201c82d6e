"""The properties of a graph's nodes, typed: what may be set, by whom, and which have no effect here.

Names of the `ten` layout are those of the reference graph, so that its clients' overrides are understood.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Marker:
    """How a property is treated: `refused` is for nobody, `inert` is checked and then ignored."""

    kind: Literal["refused", "inert"]


INERT = Marker("inert")
# Secrets, endpoints and identities come from the settings; a graph file may not hold them either.
Refused = Annotated[None, Marker("refused")]
Engine = Literal["standard", "neural", "generative", "long-form"]
LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z0-9]{2,4}){0,2}$", max_length=16)]
VoiceName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,31}$")]
Uint32 = Annotated[int, Field(ge=0, le=4_294_967_295)]
Greeting = Annotated[str, Field(max_length=2_000)]
Prompt = Annotated[str, Field(max_length=16_000)]
RateText = Annotated[str, Field(pattern=r"^([89]\d{3}|[1-3]\d{4}|4[0-7]\d{3}|48000)$")]
RateHz = Annotated[int, Field(ge=8_000, le=48_000)]


class Properties(BaseModel):
    """Strict: a number is no text and a truth value no number. None means: the default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def marker(cls, name: str) -> Marker | None:
        found = (item for item in cls.model_fields[name].metadata if isinstance(item, Marker))
        return next(found, None)

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class SttProperties(Properties):
    lang_code: LanguageCode | None = None
    region: Refused = None
    endpoint_url: Refused = None
    access_key: Refused = None
    secret_key: Refused = None


class LlmProperties(Properties):
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=5_000)] = 512
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.7
    max_memory_length: Annotated[int, Field(ge=1, le=200)] = 40
    is_memory_enabled: bool = True
    is_enable_video: bool = True
    greeting: Greeting | None = None
    prompt: Prompt | None = None
    region: Refused = None
    endpoint_url: Refused = None
    access_key_id: Refused = None
    secret_access_key: Refused = None


class TtsProperties(Properties):
    voice: VoiceName | None = None
    engine: Engine | None = None
    lang_code: LanguageCode | None = None
    region: Refused = None
    endpoint_url: Refused = None
    access_key: Refused = None
    secret_key: Refused = None


class VoiceLlmProperties(LlmProperties):
    filler_ms: Annotated[int, Field(ge=0, le=10_000)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    top_k: Annotated[int, Field(ge=0, le=128)] | None = None
    tools: Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]], Field(max_length=16)] = [
        "current_time"
    ]


class TurnsProperties(Properties):
    """The fields of sessions.live.config.TurnSettings; docs/turn_taking.md says what each does."""

    mode: Literal["server_vad", "semantic_vad", "manual"] = "server_vad"
    end_silence_ms: Annotated[int, Field(ge=100, le=5_000)] = 500
    final_silence_ms: Annotated[int, Field(ge=0, le=5_000)] = 300
    slow_end_silence_ms: Annotated[int, Field(ge=0, le=5_000)] = 1_200
    long_end_silence_ms: Annotated[int, Field(ge=100, le=10_000)] = 3_000
    interrupt_voice_ms: Annotated[int, Field(ge=20, le=5_000)] = 500
    interrupt_characters: Annotated[int, Field(ge=1, le=100)] = 2
    interrupt_ideographs: Annotated[int, Field(ge=1, le=100)] = 2
    ignores_backchannels: bool = True
    backchannel_words: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=64)] = []
    echo_warm_up_ms: Annotated[int, Field(ge=0, le=10_000)] = 0
    creates_reply: bool = True
    interrupts_reply: bool = True
    keeps_protected_words: bool = True
    holds_reply: bool = True
    hold_voice_ms: Annotated[int, Field(ge=0, le=5_000)] = 200
    hold_ms: Annotated[int, Field(ge=0, le=10_000)] = 2_000
    speculation: bool | None = None
    speculate_silence_ms: Annotated[int, Field(ge=0, le=5_000)] = 150
    idle_timeout_ms: Annotated[int, Field(ge=5_000, le=600_000)] | None = None
    voice_threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=2_000)] = 300


class VisionProperties(Properties):
    """The fields of sessions.live.config.VisionSettings; docs/vision.md says what each does. None: the server's setting."""

    enabled: bool = True
    frame_interval_ms: Annotated[int, Field(ge=100, le=60_000)] | None = None
    fastest_interval_ms: Annotated[int, Field(ge=100, le=60_000)] | None = None
    slowest_interval_ms: Annotated[int, Field(ge=100, le=60_000)] | None = None
    frames: Literal["turn", "look"] = "turn"
    frames_per_turn: Annotated[int, Field(ge=1, le=20)] = 4
    max_side_px: Annotated[int, Field(ge=160, le=2_048)] = 1_280
    history_mosaics: Annotated[int, Field(ge=0, le=4)] = 1
    tokens_per_minute: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    tokens_per_session: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    usd_per_session: Annotated[float, Field(ge=0, le=1_000_000)] | None = None


class WatchProperties(Properties):
    """Watch mode, where there is a question: the agent looks by itself and reports only what answers it."""

    question: Annotated[str, Field(max_length=1_000)] = ""
    interval_ms: Annotated[int, Field(ge=500, le=600_000)] = 2_000
    on_change: bool = True
    speaks: bool = True


class AgoraRtcProperties(Properties):
    """The way over the RTC network, which is not this server's: accepted, without effect."""

    app_id: Refused = None
    app_certificate: Refused = None
    token: Refused = None
    channel: Annotated[Annotated[str, Field(max_length=100)] | None, INERT] = None
    stream_id: Annotated[Uint32, INERT] = 1234
    remote_stream_id: Annotated[Uint32, INERT] = 123
    subscribe_audio: Annotated[bool, INERT] = True
    publish_audio: Annotated[bool, INERT] = True
    publish_data: Annotated[bool, INERT] = True
    enable_agora_asr: Annotated[bool, INERT] = False
    agora_asr_vendor_name: Annotated[Annotated[str, Field(max_length=64)] | None, INERT] = None
    agora_asr_language: Annotated[LanguageCode | None, INERT] = None
    agora_asr_vendor_key: Refused = None
    agora_asr_vendor_region: Refused = None
    agora_asr_session_control_file_path: Refused = None
    subscribe_video: Annotated[bool, INERT] = True
    subscribe_video_pix_fmt: Annotated[Uint32, INERT] = 4
    max_memory_length: Annotated[Uint32 | None, INERT] = None


class TenSttProperties(SttProperties):
    """`sample_rate` is the rate on the RTC network: a client of our socket declares its own."""

    sample_rate: Annotated[RateText | RateHz, INERT] = "16000"


class TenLlmProperties(LlmProperties):
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(default=0.5, alias="topP")
    top_k: Annotated[int, Field(ge=0, le=128)] | None = Field(default=10, alias="topK")


class TenTtsProperties(TtsProperties):
    sample_rate: Annotated[Literal[8_000, 16_000], INERT] = 16_000


class NoProperties(Properties):
    pass
