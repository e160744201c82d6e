"""The knobs of the agent's eyes: how often it looks, and how much its pictures may cost."""

import math

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from sessions.settings import VisionBounds


class VisionEnvironment(BaseSettings):
    """A part of nova_site.env.Environment."""

    video_frame_interval: float = Field(
        default=0.5, ge=0.1, le=60, description="seconds between two frames at first, 0.1 to 60"
    )
    nova_video_fastest_interval: float = Field(
        default=0.25, ge=0.1, le=60, description="seconds between two frames while something moves"
    )
    nova_video_slowest_interval: float = Field(
        default=4, ge=0.1, le=60, description="seconds between two frames of a still scene"
    )
    nova_vision_tokens_per_minute: int = Field(
        default=40_000,
        ge=0,
        description="tokens of pictures a session may use in a minute; near it the agent sees less; 0: no limit",
    )
    nova_vision_tokens_per_session: int = Field(
        default=1_000_000, ge=0, description="tokens of pictures a whole session may use; 0: no limit"
    )
    nova_vision_usd_per_session: float = Field(
        default=0, ge=0, description="what the pictures of a whole session may cost in US dollars; 0: no limit"
    )

    @model_validator(mode="after")
    def _fastest_is_faster(self) -> "VisionEnvironment":
        if self.nova_video_fastest_interval > self.nova_video_slowest_interval:
            raise ValueError("NOVA_VIDEO_FASTEST_INTERVAL must not be longer than NOVA_VIDEO_SLOWEST_INTERVAL")
        return self

    def vision_bounds(self, prices_path: str | None) -> VisionBounds:
        return VisionBounds(
            fastest_interval_ms=math.ceil(self.nova_video_fastest_interval * 1_000),
            slowest_interval_ms=math.ceil(self.nova_video_slowest_interval * 1_000),
            tokens_per_minute=self.nova_vision_tokens_per_minute or None,
            tokens_per_session=self.nova_vision_tokens_per_session or None,
            usd_per_session=self.nova_vision_usd_per_session or None,
            prices_path=prices_path,
        )
