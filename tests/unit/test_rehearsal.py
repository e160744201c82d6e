"""What is done while a task waits for its request: a call made ready and never sent, once a second at most."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import gevent.event
import pytest

from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, worker_settings
from workers import rehearsal
from workers.errors import ProviderRefusedError, ProviderUnavailableError
from workers.language_model.aws_nova import AwsNova
from workers.language_model.contract import ModelFinished, ModelMessage, ModelOptions, ModelRequest, TextPart
from workers.rehearsal import Rehearsal
from workers.text_to_speech.aws_polly import AwsPolly
from workers.text_to_speech.contract import VoiceOptions

LIMIT_SECONDS = 5.0
HELLO = ModelRequest("", (ModelMessage("user", (TextPart("hello"),)),), ModelOptions("us.amazon.nova-pro-v1:0"))
RUTH = VoiceOptions("Ruth", "generative", "en-US")


@dataclass
class Provider:
    fault: ProviderUnavailableError | None = None
    rehearsals: int = 0
    has_rehearsed: gevent.event.Event = field(default_factory=gevent.event.Event)

    def rehearse(self) -> None:
        self.rehearsals += 1
        self.has_rehearsed.set()
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def fetched_keys(aws: EmulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often credentials were fetched; they are asked of a process, as a role's are of its service."""
    fetches = tmp_path / "fetches"
    fetch = tmp_path / "fetch.py"
    known = {"AccessKeyId": aws.env()["AWS_ACCESS_KEY_ID"], "SecretAccessKey": aws.env()["AWS_SECRET_ACCESS_KEY"]}
    answer = json.dumps({"Version": 1, **known})
    fetch.write_text(f"open({str(fetches)!r}, 'a').write('.')\nprint({answer!r})\n")
    config = tmp_path / "config"
    config.write_text(f"[profile fetched]\ncredential_process = {sys.executable} {fetch}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "fetched")
    return lambda: len(fetches.read_text()) if fetches.exists() else 0


def test_a_model_call_is_made_ready_but_for_its_sending(aws: EmulatorProcess, fetched_keys: Callable[[], int]) -> None:
    nova = AwsNova(worker_settings(aws_settings(aws)))
    nova.rehearse()
    assert (fetched_keys(), aws.journal()) == (1, [])
    assert isinstance(list(nova.stream(HELLO))[-1], ModelFinished)
    assert fetched_keys() == 1


def test_a_speech_call_is_made_ready_but_for_its_sending(aws: EmulatorProcess, fetched_keys: Callable[[], int]) -> None:
    polly = AwsPolly(worker_settings(aws_settings(aws)))
    polly.rehearse()
    assert (fetched_keys(), aws.journal()) == (1, [])
    assert list(polly.synthesize("It is a fine day.", RUTH))
    assert fetched_keys() == 1


def test_missing_credentials_are_told_by_the_rehearsal_as_by_the_call(
    aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ProviderRefusedError, match="no AWS credentials were found"):
        AwsNova(worker_settings(aws_settings(aws))).rehearse()


def test_who_waits_long_enough_has_the_call_rehearsed_once_a_second() -> None:
    provider = Provider()
    rehearsed = Rehearsal(provider)
    with rehearsed.meanwhile():
        assert provider.has_rehearsed.wait(LIMIT_SECONDS)
    with rehearsed.meanwhile():
        gevent.sleep(rehearsal.WAITED_SECONDS * 2)
    assert provider.rehearsals == 1


def test_a_request_that_is_there_already_waits_for_no_rehearsal() -> None:
    provider = Provider()
    with Rehearsal(provider).meanwhile():
        pass
    gevent.sleep(rehearsal.WAITED_SECONDS * 2)
    assert provider.rehearsals == 0


def test_a_rehearsal_that_fails_disturbs_nobody() -> None:
    provider = Provider(fault=ProviderUnavailableError("no credentials today"))
    with Rehearsal(provider).meanwhile():
        assert provider.has_rehearsed.wait(LIMIT_SECONDS)
    assert provider.rehearsals == 1
