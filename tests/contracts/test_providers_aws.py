"""The AWS providers, with their unmodified SDKs, against the contracts and the wire-level emulator."""

from collections.abc import AsyncIterator, Iterator
from typing import Literal

import pytest

from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.contract import SpeechToText
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, web_settings, worker_settings
from tests.contracts.language_model_suite import LanguageModelSuite
from tests.contracts.speech_to_text_suite import SpeechToTextSuite
from tests.contracts.text_to_speech_suite import TextToSpeechSuite
from workers.language_model.aws_nova import AwsNova
from workers.language_model.contract import LanguageModel
from workers.text_to_speech.aws_polly import AwsPolly
from workers.text_to_speech.contract import TextToSpeech


@pytest.fixture(scope="module")
def running_aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def aws(running_aws: EmulatorProcess) -> EmulatorProcess:
    running_aws.reset()
    return running_aws


@pytest.fixture(scope="module")
def nova(running_aws: EmulatorProcess) -> AwsNova:
    return AwsNova(worker_settings(aws_settings(running_aws)))


@pytest.fixture(scope="module")
def polly(running_aws: EmulatorProcess) -> AwsPolly:
    return AwsPolly(worker_settings(aws_settings(running_aws)))


class TestAwsNova(LanguageModelSuite):
    @pytest.fixture
    def model(self, aws: EmulatorProcess, nova: AwsNova) -> LanguageModel:
        self._aws = aws
        return nova

    def expect_tool_use(self) -> None:
        self._aws.script(bedrock=[{"tool_use": {"name": "current_time", "input": {"time_zone": "UTC"}}}])


class TestAwsPolly(TextToSpeechSuite):
    @pytest.fixture
    def mouth(self, aws: EmulatorProcess, polly: AwsPolly) -> TextToSpeech:
        return polly


class AwsTranscribeSuite(SpeechToTextSuite):
    transport: Literal["websocket", "http2"]

    @pytest.fixture
    async def ears(self, aws: EmulatorProcess) -> AsyncIterator[SpeechToText]:
        ears = AwsTranscribe(web_settings(aws_settings(aws), self.transport))
        yield ears
        await ears.close()


class TestAwsTranscribeByWebsocket(AwsTranscribeSuite):
    transport = "websocket"


class TestAwsTranscribeByHttp2(AwsTranscribeSuite):
    transport = "http2"
