"""How the AWS ear takes refusals, broken streams and lost credentials, on both transports."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sessions.speech_to_text import aws_transcribe_stream
from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.aws_transcribe_stream import AwsTranscribeStream
from sessions.speech_to_text.contract import ListeningOptions
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, web_settings
from tests.contracts.speech_to_text_suite import collect, silence
from tests.unit.transcribe_on_emulator import (  # noqa: F401 - fixtures are found by their names
    IDLE_TEXT,
    EndlessLink,
    Open,
    Transport,
    aws,
    call_of,
    ears,
    noise,
    opened,
    running_aws,
    say,
    say_for_ever,
    transport,
    within,
)
from workers.errors import (
    ConfigurationError,
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)

# ruff: noqa: F811


def test_a_bundle_that_cannot_be_read_stops_the_start(aws: EmulatorProcess, transport: Transport) -> None:
    broken = replace(aws_settings(aws), ca_bundle_path="no-such-bundle.pem")
    with pytest.raises(ConfigurationError, match="AWS_CA_BUNDLE"):
        AwsTranscribe(web_settings(broken, transport))


async def test_without_credentials_it_is_refused(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ProviderRefusedError):
        await opened()


async def test_a_wrong_secret_is_refused(aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ProviderRefusedError) as caught:
        await within(10, collect(await opened()))
    assert not caught.value.retriable


async def test_expired_credentials_are_read_again_at_the_next_opening(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLDOLDOLDOLDOLD0")
    aws.script(settings={"expired_keys": ["AKIAOLDOLDOLDOLDOLD0"], "accept_unknown_keys": True})
    with pytest.raises(ProviderRefusedError):
        await within(10, collect(await opened()))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.env()["AWS_ACCESS_KEY_ID"])
    stream = await opened()
    await stream.finish()
    await within(10, collect(stream))


async def test_credentials_that_were_renewed_meanwhile_are_noticed_within_one_opening(
    aws: EmulatorProcess, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "AKIAOLDOLDOLDOLDOLD0"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", old)
    aws.script(settings={"accept_unknown_keys": True})
    await opened()
    aws.script(settings={"expired_keys": [old]})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.env()["AWS_ACCESS_KEY_ID"])
    stream = await opened()
    await stream.finish()
    await within(10, collect(stream))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "exception", "exception": "InternalFailureException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "ServiceUnavailableException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "ConflictException"}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "LimitExceededException"}, ProviderThrottledError),
        ({"kind": "exception", "exception": "BadRequestException", "message": IDLE_TEXT}, ProviderUnavailableError),
        ({"kind": "exception", "exception": "BadRequestException", "message": "No."}, ProviderRefusedError),
        ({"kind": "cut"}, ProviderUnavailableError),
        ({"kind": "reset"}, ProviderUnavailableError),
        ({"kind": "bad_crc"}, ProviderUnavailableError),
        ({"kind": "garbage"}, ProviderUnavailableError),
    ],
)
async def test_each_fault_in_the_middle_is_told_by_the_transcripts(
    aws: EmulatorProcess, opened: Open, fault: dict[str, Any], kind: type[ProviderError]
) -> None:
    aws.script(transcribe=[{"faults": [{**fault, "at_audio_ms": 500}]}])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    with contextlib.suppress(ProviderUnavailableError):
        await say(stream, silence(800, 16_000))
    with pytest.raises(kind):
        await within(10, listening)


async def test_a_clean_end_that_nobody_asked_for_is_told(aws: EmulatorProcess) -> None:
    """Websocket only: awscrt keeps a half-closed HTTP/2 stream open until its body ends, and tells nobody."""
    aws.script(transcribe=[{"faults": [{"kind": "end", "at_audio_ms": 500}]}])
    ears = AwsTranscribe(web_settings(aws_settings(aws), "websocket"))
    stream = await ears.open(ListeningOptions("en-US", 16_000, "s"))
    listening = asyncio.create_task(collect(stream))
    await stream.send(silence(800, 16_000))
    with pytest.raises(ProviderUnavailableError):
        await within(10, listening)
    await stream.close()


async def test_sending_into_a_dead_stream_is_told_too(aws: EmulatorProcess, opened: Open) -> None:
    aws.script(transcribe=[{"faults": [{"at_audio_ms": 200, "kind": "reset"}]}])
    stream = await opened()
    with pytest.raises(ProviderUnavailableError):
        await within(10, say_for_ever(stream))


async def test_a_service_that_never_ends_the_stream_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "FINISH_LIMIT_SECONDS", 0.05)
    stream = AwsTranscribeStream(EndlessLink(), AudioClock(16_000), 16_000)
    await stream.finish()
    with pytest.raises(ProviderTimeoutError):
        await within(10, collect(stream))


async def test_closing_drops_the_connection_at_once(aws: EmulatorProcess, opened: Open) -> None:
    stream = await opened()
    await stream.send(silence(200, 16_000))
    closed_at_ms = time.monotonic() * 1000
    await stream.close()
    call = await call_of(aws)
    assert call["closed_ms"] - closed_at_ms < 1_000


async def test_closing_one_stream_disturbs_no_other(aws: EmulatorProcess, opened: Open) -> None:
    aws.script(texts=["the other one"])
    one, other = await opened(), await opened()
    listening = asyncio.create_task(collect(other))
    await one.close()
    await say(other, noise(0.5, 16_000) + silence(700, 16_000))
    await other.finish()
    assert (await within(20, listening))[-1].text == "the other one"


async def test_credentials_are_fetched_off_the_event_loop(ears: AwsTranscribe, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_in: list[threading.Thread] = []
    fetch = ears._credentials._fetch

    def watched() -> Any:
        asked_in.append(threading.current_thread())
        return fetch()

    monkeypatch.setattr(ears._credentials, "_fetch", watched)
    stream = await ears.open(ListeningOptions("en-US", 16_000, "s"))
    await stream.close()
    assert asked_in
    assert threading.main_thread() not in asked_in


async def test_no_log_line_holds_a_key_a_signature_or_a_word(
    aws: EmulatorProcess, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "urllib3"):
        caplog.set_level(logging.WARNING, name)
    aws.script(texts=["my secret words"])
    stream = await opened()
    listening = asyncio.create_task(collect(stream))
    await say(stream, noise(0.5, 16_000) + silence(700, 16_000))
    await stream.finish()
    assert (await within(20, listening))[-1].text == "my secret words"
    env = aws.env()
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "X-Amz-Signature", "secret words"):
        assert secret not in logged


def test_importing_the_provider_loads_no_sdk_but_botocore() -> None:
    code = (
        "import sys, sessions.speech_to_text.aws_transcribe as module;"
        "print([name for name in ('boto3', 'amazon_transcribe') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
