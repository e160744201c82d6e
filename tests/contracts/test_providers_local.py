"""The local providers against the contracts, with real speech and a real recogniser process."""

import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sessions.speech_to_text.contract import SpeechToText
from sessions.speech_to_text.local import LocalRecogniser
from tests.contracts.emulated_aws import web_settings
from tests.contracts.language_model_suite import LanguageModelSuite
from tests.contracts.speech_to_text_suite import SpeechToTextSuite
from tests.contracts.text_to_speech_suite import SENTENCE, TextToSpeechSuite, pcm
from tests.local_speech import SETTINGS, speech
from workers.language_model.contract import LanguageModel
from workers.language_model.local import LocalResponder
from workers.text_to_speech.contract import TextToSpeech
from workers.text_to_speech.local import LocalSynthesiser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recogniser() -> AsyncIterator[SpeechToText]:
    """One for the module: its process takes a second to load its model."""
    recogniser = LocalRecogniser(web_settings(SETTINGS.aws))
    yield recogniser
    await recogniser.close()


class TestLocalResponder(LanguageModelSuite):
    @pytest.fixture
    def model(self) -> LanguageModel:
        return LocalResponder(SETTINGS)


class TestLocalSynthesiser(TextToSpeechSuite):
    @pytest.fixture
    def mouth(self) -> TextToSpeech:
        return LocalSynthesiser(SETTINGS)

    def test_many_sentences_are_spoken_at_once_and_do_not_mix(self, mouth: TextToSpeech) -> None:
        """As the suite's, but for lengths: espeak varies each utterance at random by some milliseconds."""
        texts = [SENTENCE, "Yes.", "One, two, three, four, five.", "Good evening to you all."]
        alone = [pcm(mouth.synthesize(text, self.english)) for text in texts]
        together: list[bytes] = [b""] * len(texts)

        def speak(index: int) -> None:
            together[index] = pcm(mouth.synthesize(texts[index], self.english))

        threads = [threading.Thread(target=speak, args=(index,)) for index in range(len(texts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert [len(speech) for speech in together] == pytest.approx([len(speech) for speech in alone], rel=0.03)


@pytest.mark.asyncio(loop_scope="module")
class TestLocalRecogniser(SpeechToTextSuite):
    @pytest.fixture
    def ears(self, recogniser: SpeechToText) -> SpeechToText:
        return recogniser

    def speech(self, rate_hz: int) -> bytes:
        return bytes(rate_hz // 2 * 2) + speech("hello how are you", rate_hz) + bytes(rate_hz * 2)
