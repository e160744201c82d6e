"""What the web process's rooms need to know, built once by nova_site and handed on by sessions.configured."""

from dataclasses import dataclass
from typing import Literal

from workers.settings import AwsSettings


@dataclass(frozen=True, slots=True)
class WebSettings:
    redis_url: str
    speech_to_text: str
    language_model: str
    text_to_speech: str
    aws: AwsSettings
    transcribe_transport: Literal["websocket", "http2"]
    transcribe_streams_quota: int
    transcribe_starts_per_second: float
    transcribe_rotate_seconds: float
    model_id: str
    voice: str
    engine: str
    language: str
    voice_activity: Literal["energy", "silero"]
    speculation: bool
    filler_ms: int
    video_frame_interval_seconds: float
    sessions_max: int
    session_idle_seconds: int
    resume_seconds: float
    drain_seconds: float
    calls_per_minute: int
    auth: Literal["required", "open"]
    api_keys: tuple[str, ...]
    public_url: str | None
    allowed_origins: tuple[str, ...]
    trusted_hops: int
    origin_secret: str | None
    agora_app_id: str | None
    agora_app_certificate: str | None
    agora_token_version: Literal["007", "006"]
    agora_allow_no_certificate: bool
    host: str
    port: int
    web_processes: int
