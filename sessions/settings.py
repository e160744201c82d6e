"""What the web process's rooms need to know, built once by nova_site and handed on by sessions.configured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sessions.live.usage import AMAZON, Providers
from workers.settings import POLLY_LIMITS, AwsSettings, CallLimit


@dataclass(frozen=True, slots=True)
class VisionBounds:
    """What no graph and no client may exceed; None: no limit."""

    fastest_interval_ms: int = 250
    slowest_interval_ms: int = 4_000
    tokens_per_minute: int | None = None
    tokens_per_session: int | None = None
    usd_per_session: float | None = None
    prices_path: str | None = None


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
    vision: VisionBounds
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
    broker_url: str = ""
    admin_hosts: tuple[str, ...] = ()
    webhook_allow_private: bool = False
    polly_limits: Mapping[str, CallLimit] = field(default_factory=lambda: POLLY_LIMITS)

    providers: Providers = AMAZON
    records_kept_days: int = 0
    budget_session_usd: float = 0.0
    budget_key_day_usd: float = 0.0
    budget_day_usd: float = 0.0
    prices_path: str | None = None

    @property
    def transcribe_scope(self) -> str:
        """What the account counts together."""
        return f"{self.aws.region}:{self.transcribe_transport}"
