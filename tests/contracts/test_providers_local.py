"""The local providers against the contracts, with real speech and a real recogniser process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sessions.speech_to_text.contract import SpeechToText
from sessions.speech_to_text.local import LocalRecogniser
from tests.contracts.emulated_aws import web_settings
from tests.contracts.language_model_suite import LanguageModelSuite
from tests.contracts.speech_to_text_suite import SpeechToTextSuite
from tests.contracts.text_to_speech_suite import TextToSpeechSuite
from tests.local_speech import SETTINGS, speech
from workers.language_model.contract import LanguageModel
from workers.language_model.local import LocalResponder
from workers.text_to_speech.contract import TextToSpeech
from workers.text_to_speech.local import LocalSynthesiser


class TestLocalResponder(LanguageModelSuite):
    @pytest.fixture
    def model(self) -> LanguageModel:
        return LocalResponder(SETTINGS)


class TestLocalSynthesiser(TextToSpeechSuite):
    @pytest.fixture
    def mouth(self) -> TextToSpeech:
        return LocalSynthesiser(SETTINGS)


@pytest.mark.asyncio(loop_scope="module")
class TestLocalRecogniser(SpeechToTextSuite):
    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def ears(self) -> AsyncIterator[SpeechToText]:
        ears = LocalRecogniser(web_settings(SETTINGS.aws))
        yield ears
        await ears.close()

    def speech(self, rate_hz: int) -> bytes:
        return bytes(rate_hz // 2 * 2) + speech("hello how are you", rate_hz) + bytes(rate_hz * 2)
