"""What every text-to-speech provider must pass. Subclass it as `Test...` in a test file and give it a `mouth`."""

import threading
from typing import Any, cast

import numpy as np
import pytest

from workers.errors import ReplyCancelled
from workers.text_to_speech.contract import SpeechChunk, TextToSpeech, VoiceOptions

SENTENCE = "Good morning, it is nice to see you again."


class TextToSpeechSuite:
    english = VoiceOptions(voice="Ruth", engine="generative", language="en-US")
    chinese = VoiceOptions(voice="Zhiyu", engine="neural", language="cmn-CN")

    @pytest.fixture
    def mouth(self) -> TextToSpeech:
        raise NotImplementedError

    def test_it_fulfils_the_contract(self, mouth: TextToSpeech) -> None:
        assert isinstance(mouth, TextToSpeech)

    def test_chunks_hold_whole_samples_at_one_rate(self, mouth: TextToSpeech) -> None:
        chunks = list(mouth.synthesize(SENTENCE, self.english))
        assert len(chunks) > 1
        assert all(chunk.pcm and len(chunk.pcm) % 2 == 0 for chunk in chunks)
        assert len({chunk.sample_rate_hz for chunk in chunks}) == 1

    def test_chunks_are_short_enough_to_be_paced(self, mouth: TextToSpeech) -> None:
        assert max(map(seconds, mouth.synthesize(SENTENCE, self.english))) <= 0.25

    @pytest.mark.parametrize("language", ["english", "chinese"])
    def test_speech_can_be_heard(self, mouth: TextToSpeech, language: str) -> None:
        text = SENTENCE if language == "english" else "早上好，很高兴见到你。"
        samples = sound(mouth.synthesize(text, getattr(self, language)))
        assert np.sqrt(np.mean(samples**2)) > 300

    def test_more_text_is_longer_speech(self, mouth: TextToSpeech) -> None:
        short = sum(map(seconds, mouth.synthesize("Yes.", self.english)))
        long = sum(map(seconds, mouth.synthesize(SENTENCE, self.english)))
        assert 0 < short < long

    @pytest.mark.parametrize("text", ["", "   ", "\n"])
    def test_blank_text_makes_no_sound_and_no_fault(self, mouth: TextToSpeech, text: str) -> None:
        assert list(mouth.synthesize(text, self.english)) == []

    @pytest.mark.parametrize("text", ["a < b & c > d", "]]> </speak>", "one\x00two", "Tom 👍🏽 said hi", "3.14 €"])
    def test_any_text_is_spoken(self, mouth: TextToSpeech, text: str) -> None:
        assert sum(map(seconds, mouth.synthesize(text, self.english))) > 0

    def test_a_very_long_text_is_spoken_to_its_end(self, mouth: TextToSpeech) -> None:
        one = sum(map(seconds, mouth.synthesize(SENTENCE, self.english)))
        many = sum(map(seconds, mouth.synthesize(f"{SENTENCE} " * 80, self.english)))
        assert many > 40 * one

    def test_closing_in_the_middle_ends_the_speech(self, mouth: TextToSpeech) -> None:
        speech = cast(Any, mouth.synthesize(SENTENCE, self.english))
        next(speech)
        speech.close()
        assert list(speech) == []

    def test_a_cancelled_reply_leaves_as_it_came(self, mouth: TextToSpeech) -> None:
        speech = cast(Any, mouth.synthesize(SENTENCE, self.english))
        next(speech)
        with pytest.raises(ReplyCancelled):
            speech.throw(ReplyCancelled())
        assert sum(map(seconds, mouth.synthesize("Yes.", self.english))) > 0

    def test_many_sentences_are_spoken_at_once_and_do_not_mix(self, mouth: TextToSpeech) -> None:
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
        assert [len(speech) for speech in together] == [len(speech) for speech in alone]


def seconds(chunk: SpeechChunk) -> float:
    return len(chunk.pcm) / 2 / chunk.sample_rate_hz


def pcm(chunks: Any) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


def sound(chunks: Any) -> Any:
    return np.frombuffer(pcm(chunks), dtype="<i2").astype(float)
