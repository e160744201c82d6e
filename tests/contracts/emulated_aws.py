"""Settings that lead the AWS providers to the emulator; starts it, sets nothing but the credentials it knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from sessions.settings import VisionBounds, WebSettings
from tests.aws_emulator.process import EmulatorProcess
from workers.settings import AwsSettings, WorkerSettings

NO_OTHER_CREDENTIALS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "no-such-file",
    "AWS_SHARED_CREDENTIALS_FILE": "no-such-file",
}


@contextmanager
def emulated_aws() -> Iterator[EmulatorProcess]:
    """The emulator's endpoints stay out of the environment: they must come from our settings."""
    with EmulatorProcess() as aws, pytest.MonkeyPatch.context() as patch:
        env = aws.env()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, env[name])
        for name, value in NO_OTHER_CREDENTIALS.items():
            patch.setenv(name, value)
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_REGION", "AWS_DEFAULT_REGION"):
            patch.delenv(name, raising=False)
        yield aws


def aws_settings(aws: EmulatorProcess) -> AwsSettings:
    env = aws.env()
    return AwsSettings(
        region=env["AWS_REGION"],
        bedrock_endpoint_url=env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
        polly_endpoint_url=env["AWS_ENDPOINT_URL_POLLY"],
        transcribe_endpoint_url=env["AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING"],
        ca_bundle_path=env["AWS_CA_BUNDLE"],
    )


def worker_settings(aws: AwsSettings) -> WorkerSettings:
    return WorkerSettings(redis_url="redis://127.0.0.1:1/0", language_model="", text_to_speech="", aws=aws)


def web_settings(aws: AwsSettings, transport: Literal["websocket", "http2"] = "websocket") -> WebSettings:
    return WebSettings(
        redis_url="redis://127.0.0.1:1/0",
        speech_to_text="",
        language_model="",
        text_to_speech="",
        aws=aws,
        transcribe_transport=transport,
        transcribe_streams_quota=1_000,
        transcribe_starts_per_second=1_000,
        transcribe_rotate_seconds=13_500,
        model_id="us.amazon.nova-pro-v1:0",
        voice="Ruth",
        engine="generative",
        language="en-US",
        video_frame_interval_seconds=0.5,
        vision=VisionBounds(),
        sessions_max=10,
        resume_seconds=60.0,
        drain_seconds=25.0,
        session_idle_seconds=60,
        voice_activity="energy",
        speculation=True,
        filler_ms=2_250,
        web_processes=1,
        calls_per_minute=30,
        auth="required",
        api_keys=(),
        public_url=None,
        allowed_origins=(),
        trusted_hops=0,
        origin_secret=None,
        agora_app_id=None,
        agora_app_certificate=None,
        agora_token_version="007",
        agora_allow_no_certificate=False,
        host="127.0.0.1",
        port=8000,
    )
