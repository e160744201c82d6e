"""What a worker process needs to know, handed over once at start; workers read no environment themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Region and endpoints of the three services; credentials come from botocore's own chain."""

    region: str
    bedrock_endpoint_url: str | None = None
    polly_endpoint_url: str | None = None
    transcribe_endpoint_url: str | None = None
    ca_bundle_path: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    redis_url: str
    language_model: str
    text_to_speech: str
    aws: AwsSettings
    max_concurrent_streams: int = 100
