"""What a worker process needs to know, handed over once at start; workers read no environment themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Region and endpoints of the three services; credentials come from botocore's own chain."""

    region: str
    bedrock_endpoint_url: str | None = None
    polly_endpoint_url: str | None = None
    transcribe_endpoint_url: str | None = None
    ca_bundle_path: str | None = None


@dataclass(frozen=True, slots=True)
class CallLimit:
    """What all workers together may ask of one engine of Polly."""

    per_second: int
    concurrent: int


# Polly's quotas of a new account.
POLLY_LIMITS: Mapping[str, CallLimit] = {
    "generative": CallLimit(8, 26),
    "neural": CallLimit(8, 18),
    "long-form": CallLimit(8, 26),
    "standard": CallLimit(80, 80),
}


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    redis_url: str
    language_model: str
    text_to_speech: str
    aws: AwsSettings
    max_concurrent_streams: int = 100
    polly_limits: Mapping[str, CallLimit] = field(default_factory=lambda: POLLY_LIMITS)
    has_word_marks: bool = True
    fallback_model_id: str = ""
    stop_seconds: float = 20.0
